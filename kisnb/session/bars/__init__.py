"""The bars that a session shows: minutes of this day from trades and from KIS, and daily bars."""
