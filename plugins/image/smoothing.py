"""Smoothing: a style decides how flat areas are drawn; strong edges stay."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.subnets import clipped

REACHES = (8, 4, 2, 1) * 2  # pixels to the neighbours, from step to step
EDGE = 0.1  # how far colours in [0, 1] are apart where an edge begins, at first
LARGEST = 6.0  # that distance is told within e^-6 and e^6 times as much


class Smoothing(nn.Module):
    """A picture ``[b c h w]`` and a condition ``[b e]`` -> the picture without faint differences.

    A network adds a little to every pixel that no artist drew, and can hardly bring what is
    shaded to one colour. Here neighbours that differ by less than an edge flow together; what
    counts as an edge, and how much flows, is told by the style. It begins as leaving everything
    as it is. Numbers stay within the range they come from, and their mean stays.

    Source: Perona and Malik 1990 (anisotropic diffusion), their discrete scheme of four
    neighbours with the exponential conductance and the greatest step, a quarter; over all channels
    together. Neighbours are far apart at first and then near, twice, so that eight steps reach
    across an area (Dammertz et al. 2010 go from near to far); steps as long as the picture's
    shorter side are left out. A far step also joins what is alike on both sides of a thin line.
    """

    def __init__(self, condition: int) -> None:
        super().__init__()
        self.linear = nn.Linear(condition, 2)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        told = self.linear(style).float()[:, :, None, None]
        edge = EDGE * told[:, :1].clamp(-LARGEST, LARGEST).exp()
        share = clipped(told[:, 1:])
        for reach in REACHES:
            if reach < min(x.shape[2:]):
                x = x + share * flow(x, edge, reach) / 4
        return x


def flow(x: Tensor, edge: Tensor, reach: int) -> Tensor:
    """What comes into each pixel of ``[b c h w]`` from its neighbours in four directions.

    Args:
        x: the picture.
        edge: ``[b 1 1 1]``, K of the paper over the square root of 2: the difference of colours
            from which most flows, .61 of it.
        reach: pixels to a neighbour; nothing flows over the borders.
    """
    came = torch.zeros_like(x)
    for axis, after, before in (
        (2, (0, 0, 0, reach), (0, 0, reach, 0)),
        (3, (0, reach), (reach, 0)),
    ):
        count = x.shape[axis] - reach
        apart = x.narrow(axis, reach, count) - x.narrow(axis, 0, count)
        distance = apart.square().sum(1, keepdim=True)
        crossing = torch.exp(-distance / (2 * edge.square())) * apart
        came = came + F.pad(crossing, after) - F.pad(crossing, before)
    return came
