"""Modes: torch's global ones in which nothing here can run, or learn."""

from __future__ import annotations

import torch

from .errors import SettingError


def check_modes(*, learning: bool = False) -> None:
    """Refuse to go on in such a mode; the errors that follow else name shapes and kernels.

    Args:
        learning: whether gradients are wanted.

    Raises:
        SettingError: torch's default type is not float32; gradients are switched off, or autocast
            on around a training.
    """
    kind = torch.get_default_dtype()
    if kind != torch.float32:
        raise SettingError(
            f"weights and signals are of torch.float32, and torch's default type is {kind}; call "
            "torch.set_default_dtype(torch.float32)"
        )
    if learning and any(map(torch.is_autocast_enabled, ("cpu", "cuda"))):
        raise SettingError(
            "torch.autocast is on around this training, and would give it another precision than "
            "its own; train outside of it, and set precision"
        )
    if learning and not torch.is_grad_enabled():
        raise SettingError(
            "nothing can learn while gradients are switched off; train outside of torch.no_grad() "
            "and torch.inference_mode()"
        )
