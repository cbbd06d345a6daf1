"""The text plugin: tells the registry where the modality is, and loads nothing else."""

from __future__ import annotations

import pluggy

hookimpl = pluggy.HookimplMarker("transmodal")


@hookimpl
def register_modalities() -> dict[str, str]:
    """Where ``text`` is."""
    return {"text": "transmodal.plugins.text.modality:Text"}
