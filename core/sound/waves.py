"""Items of sound, checked: what is no waveform is refused, and named by its place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..arrays import to_tensor
from ..errors import DataError


def waveform(item: Any, i: int, owner: str, sample_rate: int) -> Tensor:
    """One item as a waveform ``[t]`` of floats; int16 is read as [-1, 1].

    Args:
        item: ``[t]``, or a pair (waveform, its rate in hertz).
        i: its place, counted from 0.
        owner: the modality, for the errors; its class offers ``resample``.
        sample_rate: in hertz, what the waveform should be at.

    Raises:
        DataError: another rate or shape, empty, of another type, or not finite.
    """
    if isinstance(item, tuple) and len(item) == 2:
        item, rate = item
        if rate != sample_rate:
            rate = repr(rate) if isinstance(rate, str) else rate
            raise DataError(
                f"{owner}: item {i} is at {rate} Hz, not {sample_rate} Hz; resample it "
                f"({owner.capitalize()}.resample), or set sample_rate to what the data has"
            )
    wave = to_tensor(item, f"{owner}: item {i} is no waveform")
    if wave.ndim != 1:
        raise DataError(
            f"{owner}: item {i} has shape {tuple(wave.shape)}, not (t,); average its channels"
        )
    if len(wave) == 0:
        raise DataError(f"{owner}: item {i} is empty; leave it out")
    if wave.dtype == torch.int16:
        return wave.float() / 32768
    if not wave.is_floating_point():
        raise DataError(f"{owner}: item {i} is {wave.dtype}; give int16 or floats in [-1, 1]")
    wave = wave.float()
    if not bool(wave.isfinite().all()):
        raise DataError(f"{owner}: item {i} has samples that are NaN or infinite; leave it out")
    return wave
