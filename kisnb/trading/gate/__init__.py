"""What may be sent: the rules of the market, our limits, blackouts, the kill switch and its flatten."""
