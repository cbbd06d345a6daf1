"""Measuring a translator on held-out records."""
