"""The bars of a session: minutes of this day from trades and from KIS, and daily bars."""
