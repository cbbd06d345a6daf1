"""Modes: torch's global ones in which nothing here can run, or learn."""

from __future__ import annotations

import torch

from .errors import SettingError


def check_modes(learning: torch.device | None = None) -> None:
    """Refuse to go on in such a mode; the errors that follow else name shapes and kernels.

    Args:
        learning: where something is to learn, if it is.

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
    if learning is not None and torch.is_autocast_enabled(learning.type):
        raise SettingError(
            "torch.autocast is on around this training, and would give it another precision than "
            "its own; train outside of it, and set precision"
        )
    if learning is not None and not torch.is_grad_enabled():
        raise SettingError(
            "nothing can learn while gradients are switched off; train outside of torch.no_grad() "
            "and torch.inference_mode()"
        )
