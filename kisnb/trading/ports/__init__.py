"""The interfaces of a desk to session and broker, and the plain data that passes there."""
