"""KIS's WebSocket: connection, subscriptions, frames, notices, gaps."""
