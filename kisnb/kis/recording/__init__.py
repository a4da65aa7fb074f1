"""Recorded days of the wire: writing them, and playing them back."""
