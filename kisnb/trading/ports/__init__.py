"""The interfaces between desk, session and broker, and the plain data that they exchange."""
