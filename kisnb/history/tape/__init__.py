"""The tape: a compact record of a day of the market, and of what happened to the desk's orders."""
