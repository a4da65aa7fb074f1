"""The simulator as a process: command line, REST, WebSocket and control URL."""
