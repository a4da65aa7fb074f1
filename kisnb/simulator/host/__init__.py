"""A KIS host of one customer, without a network: calls, streams, account and faults."""
