"""A loss that asks an alignment to lie near the diagonal."""

from __future__ import annotations

import torch
from torch import Tensor

from .gru import exact


def guided(alignment: Tensor, steps: Tensor, tokens: Tensor, width: float = 0.2) -> Tensor:
    """``mean_t sum_n A_tn (1 - exp(-(n/N - t/T)^2 / 2 width^2))``, ``[b]`` in [0, 1).

    N tokens and T steps are the item's own, padding is left out. Where Tachibana et al.
    (DC-TTS, section 4) take the mean over tokens as well, this takes their sum: how far off the
    attention is at a step does not shrink with the length of what is read.

    Args:
        alignment: ``[b t n]``, weights that sum to 1 over the tokens.
        steps: ``[b]``, T.
        tokens: ``[b]``, N.
        width: g, in shares of the whole.
    """
    alignment = exact(alignment)
    _, t, n = alignment.shape
    row = torch.arange(t, device=alignment.device)[:, None] / steps[:, None, None]
    column = torch.arange(n, device=alignment.device) / tokens[:, None, None]
    far = 1 - torch.exp(-((row - column) ** 2) / (2 * width**2))
    real = (row < 1) & (column < 1)
    cost = (alignment * far.to(alignment.dtype) * real).sum((1, 2))
    return cost / steps
