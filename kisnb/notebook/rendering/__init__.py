"""Outputs of values in a notebook: text, HTML, tables, and groups of errors."""
