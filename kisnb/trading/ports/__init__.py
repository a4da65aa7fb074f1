"""The two sides of a desk, session and broker, and the plain data that passes between them."""
