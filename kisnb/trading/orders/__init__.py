"""Everything that happens to an order: send, notices, cancel, revise, resolve, reconcile."""
