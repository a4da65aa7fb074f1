"""Recorded days of KIS's messages: writes them, and plays them back."""
