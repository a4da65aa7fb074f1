"""The price model: how a stock moves through a simulated day, drawn from seeds."""
