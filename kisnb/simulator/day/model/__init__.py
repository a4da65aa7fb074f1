"""The price model: the trades of a stock through a simulated day, drawn from seeds."""
