"""The bridges of ``transmodal.core.bridges``, as a plugin."""

from __future__ import annotations

from collections.abc import Mapping

from ..registry import hookimpl


@hookimpl
def register_bridges() -> Mapping[str, str]:
    """``bridging-vae``: separate latent models joined by one conditional VAE."""
    return {"bridging-vae": "transmodal.core.bridges.bridging_vae:BridgingVAE"}
