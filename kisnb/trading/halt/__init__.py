"""All that stops the desk: the kill switch, the flatten, and the words for the trading state."""
