"""The image modality, as a plugin."""

from __future__ import annotations

from collections.abc import Mapping

from ...registry import hookimpl


@hookimpl
def register_modalities() -> Mapping[str, str]:
    """``image``: pictures of any size, one or three channels, pixels in [0, 1]."""
    return {"image": "transmodal.plugins.image.modality:Image"}
