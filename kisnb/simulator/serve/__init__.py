"""The simulator's process: command line, REST, WebSocket and control API."""
