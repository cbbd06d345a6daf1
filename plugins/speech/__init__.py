"""The speech modality, as a plugin."""

from __future__ import annotations

from collections.abc import Mapping

from ...registry import hookimpl


@hookimpl
def register_modalities() -> Mapping[str, str]:
    """``speech``: waveforms, learnt as log-mel spectrograms."""
    return {"speech": "transmodal.plugins.speech.modality:Speech"}
