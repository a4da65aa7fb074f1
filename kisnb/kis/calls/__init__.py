"""What KIS's calls ask and answer: typed messages and frames of them."""
