"""What comes from the desk: the link, the pump that applies it, and what the session knows by it."""
