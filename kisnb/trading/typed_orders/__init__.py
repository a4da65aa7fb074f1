"""The rule that answers a typed order from the orders that exist already (row O11)."""
