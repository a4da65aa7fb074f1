"""Orders, fills, positions and PnL, computed from facts, and figures made from these."""
