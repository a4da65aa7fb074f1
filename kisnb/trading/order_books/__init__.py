"""Orders, fills, positions and PnL, folded from facts, and what follows from them."""
