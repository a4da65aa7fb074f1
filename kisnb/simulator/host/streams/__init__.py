"""The WebSocket side of the host: sockets, subscriptions, and frames about events."""
