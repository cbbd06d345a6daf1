"""Small changes of pictures: affine warps and mirrors."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

ANGLE = math.radians(10)
STRETCH = 0.1  # log ratio, each axis on its own
SHEAR = 0.1
SHIFT = 0.08  # of the picture


def warp(values: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Each picture ``[b c h w]`` under its own rotation, stretch, shear and shift.

    Bilinear, about the centre; what comes in from outside repeats the border.

    Args:
        values: pictures, float.
        strength: 1 for the ranges above (uniform on both sides of nothing), 0 for none.
        generator: of the random numbers, six an item; on any device.
    """
    b, _, h, w = values.shape
    draw = torch.rand(b, 6, generator=generator, device=generator.device) * 2 - 1
    draw = (draw * strength).to(values.device)
    angle, stretch = draw[:, 0] * ANGLE, torch.exp(draw[:, 1:3] * STRETCH)
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([cos, -sin, sin, cos], 1).view(b, 2, 2)
    shear = torch.eye(2, device=values.device).repeat(b, 1, 1)
    shear[:, 0, 1] = draw[:, 3] * SHEAR
    matrix = (turn @ shear) * stretch[:, None]
    # grid_sample's coordinates run from -1 to 1 on both axes: keep angles in oblong pictures
    aspect = torch.tensor([[1.0, h / w], [w / h, 1.0]], device=values.device)
    theta = torch.cat([matrix * aspect, draw[:, 4:6, None] * (2 * SHIFT)], 2)
    grid = F.affine_grid(theta, [b, 1, h, w], align_corners=False)
    moved = F.grid_sample(values.float(), grid, padding_mode="border", align_corners=False)
    return moved.to(values.dtype)


def mirror(values: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture ``[b c h w]`` as it is or, as often, with left and right exchanged."""
    coin = torch.rand(len(values), 1, 1, 1, generator=generator, device=generator.device)
    return torch.where(coin.to(values.device) < 0.5, values.flip(-1), values)
