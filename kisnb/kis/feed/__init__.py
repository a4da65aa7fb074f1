"""KIS's WebSocket: subscriptions, frames, notices, gaps."""
