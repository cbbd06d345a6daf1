"""Contrast: a style decides how strongly details of each size are drawn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...core.subnets import clipped

SPREADS = (1.0, 2.0, 4.0, 8.0)  # pixels: standard deviations between which the bands lie


class Contrast(nn.Module):
    """A picture ``[b c h w]`` in [0, 1] and a condition ``[b e]`` -> the picture in other contrast.

    A picture is the sum of bands, each of details of about one size; the style tells how much
    more or less of each is drawn. Less of the middle ones shades what is flat, as if lit softly;
    more of the fine ones sharpens. Convolutions of 3 x 3 hardly do either over many pixels. It
    begins as leaving everything as it is. A picture of one colour stays so, and white, on which
    things mostly stand, stays white; other backgrounds shine a little beside edges.

    Source: the bands of Burt and Adelson 1983 (the Laplacian pyramid), here all at full size;
    with one band this is unsharp masking. A pixel's share is its darkest channel's distance from
    white, or edges of things would shine on what is around them.
    """

    def __init__(self, condition: int) -> None:
        super().__init__()
        self.linear = nn.Linear(condition, len(SPREADS))
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        told = self.linear(style).float()
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            added, sharper = torch.zeros_like(x), x
            for i, spread in enumerate(SPREADS):
                softer = blurred(x, spread)
                added = added + told[:, i, None, None, None] * (sharper - softer)
                sharper = softer
            return clipped(x + (1 - x.amin(1, keepdim=True)) * added)


def blurred(x: Tensor, spread: float) -> Tensor:
    """``[b c h w]`` by a Gaussian of that standard deviation in pixels; nothing beyond borders."""
    down, along = (weights(count, spread, x) for count in x.shape[2:])
    return down @ x @ along.mT


def weights(count: int, spread: float, like: Tensor) -> Tensor:
    """What each position in a row of so many gives to each, ``[count count]``; rows sum to 1."""
    at = torch.arange(count, dtype=like.dtype, device=like.device)
    return torch.softmax(-(at[:, None] - at).square() / (2 * spread**2), 1)
