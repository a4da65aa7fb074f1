"""The desk's host, which runs the core's effects, with its clock, lockstep and safety checks."""
