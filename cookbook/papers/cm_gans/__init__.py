"""CM-GANs: cross-modal retrieval in a common space."""
