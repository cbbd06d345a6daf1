"""Latent Domain Transfer on MNIST, Fashion-MNIST and FSDD: the paper's tables, measured here."""
