"""What may be sent: the rules of the market, our limits, blackouts, the circuit breaker."""
