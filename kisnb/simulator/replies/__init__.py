"""The replies of the quotation calls, made from the simulated day."""
