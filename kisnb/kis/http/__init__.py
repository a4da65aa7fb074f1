"""Calls over HTTP: token, rate limit, pages, transport."""
