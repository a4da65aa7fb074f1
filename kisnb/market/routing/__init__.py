"""The venue of an order: the router, its evidence, what each venue would cost, and the sentence."""
