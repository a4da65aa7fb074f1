"""Recorded days of the wire: writes them, and plays them back."""
