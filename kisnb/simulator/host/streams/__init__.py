"""The WebSocket side of the host: sockets, subscriptions, and the frames of what happens."""
