"""Back-tests over trades: the feed, the agents and the run."""
