"""The bridges that come with transmodal."""
