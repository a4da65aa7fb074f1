"""Back-tests over a tape: the feed, the exchange that it shows, the server, and the run."""
