"""The life of an order: send, notices, cancel, revise, resolve, reconcile."""
