"""The simulated KIS host without I/O: access, streams, the customer's account and orders, faults."""
