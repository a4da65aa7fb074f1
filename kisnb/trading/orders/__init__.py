"""The way of an order: sent, noticed, cancelled, revised, resolved, reconciled."""
