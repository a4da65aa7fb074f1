"""KIS's message codes as tables, by the server that sends them."""
