"""Calls of KIS by name: parameters, columns, help."""
