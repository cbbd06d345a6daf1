"""Latent models of one domain."""
