"""The customer's account: cash, orders, positions, and the replies of the trading calls."""
