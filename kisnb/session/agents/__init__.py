"""The agents of a session."""
