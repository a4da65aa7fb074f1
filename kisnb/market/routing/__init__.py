"""Chooses the venue of an order, with its evidence, the expected costs, and a sentence."""
