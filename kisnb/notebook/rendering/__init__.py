"""Outputs of values in a notebook: text, HTML, tables, error groups."""
