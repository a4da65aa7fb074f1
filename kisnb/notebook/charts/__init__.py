"""Candle charts: their data, their SVG and their plotly figure."""
