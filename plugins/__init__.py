"""The modalities and bridges that come with transmodal, each entered as a plugin."""
