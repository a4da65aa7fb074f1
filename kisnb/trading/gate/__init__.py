"""The gate and its parts: the market's rules, our limits, blackouts, the circuit breaker."""
