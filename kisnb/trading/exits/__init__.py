"""Exits in the desk: the rules, the watch over holdings, and the sale."""
