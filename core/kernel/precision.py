"""Precision: where autocast is on, and who scales gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
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
