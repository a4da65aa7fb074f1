"""The desk's host, which runs the core's effects, and its clock, lockstep and safety checks."""
