"""Precision: where autocast is on, and who scales gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context an objective is computed in; entered anew at every turn."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])


def make_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler | None:
    """A scaler of its own for one phase under fp16, else None.

    A shared one would let one player's overflow halve the other's scale.
    """
    return torch.amp.GradScaler(device.type) if precision == "fp16" else None


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let CUDA multiply float32 in TF32, or forbid it, until the context ends."""
    places: tuple[Any, Any] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    earlier = [place.allow_tf32 for place in places]
    for place in places:
        place.allow_tf32 = allowed
    try:
        yield
    finally:
        for place, value in zip(places, earlier, strict=True):
            place.allow_tf32 = value
