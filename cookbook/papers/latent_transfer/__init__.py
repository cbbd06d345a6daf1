"""Latent Translation: Crossing Modalities by Bridging Generative Models (2019)."""
