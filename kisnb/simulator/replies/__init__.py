"""What calls about the market answer, made from the simulated day."""
