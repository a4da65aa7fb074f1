"""Requests and replies of KIS's calls: typed messages, and DataFrames of replies."""
