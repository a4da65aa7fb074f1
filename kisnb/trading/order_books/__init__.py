"""Orders, fills, positions and PnL, computed from facts, and further figures made from these."""
