"""A strategy: what a person writes, and what drives it."""
