"""The desk's socket: both ends of it, and what goes over it."""
