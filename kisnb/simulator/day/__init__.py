"""The simulated day: price models and replay, and the market that plays it event by event."""
