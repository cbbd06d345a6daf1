"""How to train: everything about a run that is not the model or the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from ..config import check_choice, check_flag, check_number
from ..errors import SettingError

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class Training:
    """Settings of a run.

    Args:
        precision: of the objectives under autocast; weights and sums stay in float32.
        device: ``"auto"`` (CUDA where there is one, else the CPU) or a torch device name.
        seed: of the noise and of the order of the data.
        accumulate: batches whose gradients are averaged into one step of the optimiser.
        log_every: steps between two readings of the losses (>= 1); the device is not
            waited for in between.
        checkpoint: folder of the saved states; a run finding one there goes on from it.
        save_every: seconds between two saves; stages also save when they end.
        patience: consecutive steps that may be skipped for non-finite gradients.
        tf32: let CUDA multiply float32 matrices in TF32.
        channels_last: keep the convolutions' weights in that memory format.

    Raises:
        SettingError: a value out of range.
    """

    precision: Precision = "fp32"
    device: str = "auto"
    seed: int = 0
    accumulate: int = 1
    log_every: int = 50
    checkpoint: Path | None = None
    save_every: float = 60.0
    patience: int = 20
    tf32: bool = True
    channels_last: bool = False

    def __post_init__(self) -> None:
        check_choice("Training", "precision", self.precision, ("fp32", "bf16", "fp16"))
        for name in ("accumulate", "log_every"):
            check_number("Training", name, getattr(self, name), 1, integer=True)
        for name in ("seed", "patience"):
            check_number("Training", name, getattr(self, name), 0, integer=True)
        check_number("Training", "save_every", self.save_every, 0)
        for name in ("tf32", "channels_last"):
            check_flag("Training", name, getattr(self, name))


def resolve_device(name: str, local_rank: int | None = None) -> torch.device:
    """The device of that name, made sure of.

    Args:
        name: ``"auto"`` or a torch device name.
        local_rank: which CUDA device ``"auto"`` and ``"cuda"`` mean on a shared machine.

    Raises:
        SettingError: torch knows no such device, or the machine has none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and local_rank is not None:
        name = f"cuda:{local_rank}"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(
            f"Training: device {name!r} cannot be used here ({reason}); "
            f"take 'auto', 'cpu' or a device that torch finds on this machine"
        ) from error
    if device.type == "meta":
        raise SettingError("Training: device 'meta' holds no values to train; take 'auto' or 'cpu'")
    return device
