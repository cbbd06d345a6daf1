"""The features plugin: tells the registry where the modality is, and loads nothing else."""

from __future__ import annotations

import pluggy

hookimpl = pluggy.HookimplMarker("transmodal")


@hookimpl
def register_modalities() -> dict[str, str]:
    """Where ``features`` is."""
    return {"features": "transmodal.plugins.features.modality:Features"}
