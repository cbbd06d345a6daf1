"""Sequences made step by step: attention, decoders, search, and what they share."""
