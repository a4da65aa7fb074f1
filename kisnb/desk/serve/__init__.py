"""The desk's socket: the desk's end, the session's end, and the messages between them."""
