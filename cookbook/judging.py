"""What recipes have judges for: to read what was made, as it is heard too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from transmodal.core.evaluation.judge import Judge
from transmodal.core.modality import Modality


def heard(judge: Judge, speech: Modality, waves: Sequence[Any], wanted: Tensor) -> float:
    """Share of clips of sound (made by Griffin-Lim) that are read right, back in log-mels.

    Args:
        judge: reads log-mels.
        speech: their modality.
        waves: m waveforms ``[t]``.
        wanted: ``[m]`` classes.
    """
    # A clip that came out silent cannot be collated, and counts as wrong.
    sounding = [i for i, wave in enumerate(waves) if len(wave) and float(wave.abs().max()) > 1e-3]
    if not sounding:
        return 0.0
    again = speech.collate([waves[i] for i in sounding])
    return float((judge.predict(again) == wanted[sounding]).sum()) / len(waves)
