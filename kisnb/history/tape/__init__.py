"""The tape: a compact record of a day of the market and of the desk's orders."""
