"""The host of the core in a desk: effects on a real broker, clock, lockstep, safety."""
