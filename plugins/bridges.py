"""The built-in bridges: tells the registry where they are, and loads nothing else."""

from __future__ import annotations

import pluggy

hookimpl = pluggy.HookimplMarker("transmodal")


@hookimpl
def register_bridges() -> dict[str, str]:
    """Where each bridge of ``transmodal.core.bridges`` is."""
    where = "transmodal.core.bridges"
    return {
        "bridging-vae": f"{where}.bridging_vae:BridgingVAE",
        "common-space": f"{where}.common_space:CommonSpace",
        "synchronizer": f"{where}.synchronizer:Synchronizer",
        "universal-attention": f"{where}.universal_attention:UniversalAttention",
        "weight-tying": f"{where}.weight_tying:WeightTying",
    }
