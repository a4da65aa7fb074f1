"""The way from the desk's socket into a session: link, pump, state, time."""
