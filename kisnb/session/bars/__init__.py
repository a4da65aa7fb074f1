"""Bars that a session shows: this day's minutes from trades and from KIS, and days."""
