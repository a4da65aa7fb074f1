"""Candles: as data, as SVG and as a plotly figure."""
