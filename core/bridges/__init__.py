"""Bridges, one published system each."""
