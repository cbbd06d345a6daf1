"""Latent models: what stands between a domain's data and a bridge over latent spaces."""
