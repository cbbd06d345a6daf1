"""Other pens, other scanners: changes of pictures of writing that leave what is written."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

THICKNESS = 0.8  # of the way to the next pixel's value, outwards or inwards
COARSEST = 0.32  # of the resolution
GAMMA = 0.7  # log of the exponent
CONTRAST = 2.0  # added to the slope about mid-grey


def roughen(values: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Each picture ``[b c h w]`` with strokes thicker or thinner, blurred, lighter or harder.

    Thickness moves towards the largest or smallest of the nine pixels around; half the
    pictures lose resolution, all of them the same; gamma changes grey levels, and half the
    pictures gain contrast. Gradients pass.

    Args:
        values: pictures in [0, 1], float, light strokes on dark or the other way round.
        strength: 1 for the ranges above, 0 for none.
        generator: of the random numbers; on any device.
    """
    b, _, h, w = values.shape
    draw = torch.rand(b, 6, generator=generator, device=generator.device)
    # one resolution for the batch: its size must be known before the pictures are, so it is read
    # where it was drawn, and a generator of the CPU spares the host a wait for the device
    coarse = float(draw[0, 1])
    drawn = draw.to(values.device)[:, :, None, None, None]
    thick, _, gamma, contrast, some, others = drawn.unbind(1)
    x = values.float()
    outward = F.max_pool2d(x, 3, 1, 1)
    inward = -F.max_pool2d(-x, 3, 1, 1)
    k = strength * THICKNESS * (2 * thick - 1)
    x = x + k.clamp(min=0) * (outward - x) + (-k).clamp(min=0) * (inward - x)
    share = 1 - strength * (1 - COARSEST) * coarse
    small = (max(4, round(h * share)), max(4, round(w * share)))
    low = F.interpolate(x, small, mode="bilinear", antialias=True)
    x = torch.where(some < 0.5, F.interpolate(low, (h, w), mode="bilinear"), x)
    x = x.clamp(1e-4, 1) ** torch.exp(strength * GAMMA * (2 * gamma - 1))
    slope = 1 + strength * CONTRAST * contrast * (others < 0.5)
    return ((x - 0.5) * slope + 0.5).clamp(0, 1).to(values.dtype)
