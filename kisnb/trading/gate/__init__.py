"""The gate and its neighbours: the market's rules, our limits, blackouts, the circuit breaker."""
