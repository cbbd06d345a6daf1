"""Pixels that ride in tokens: a pair of linear maps by which tokens carry a picture's patches.

They are one fixed orthonormal basis and its transpose, so that an untrained prenet and generator
of the same grid copy the picture, and what remains to be learned is the change. (Learned with the
rest, they drew a lattice of patches over every picture, under critics above all.) They copy where
d is at least 3 r s; narrower tokens carry so much of a patch as fits.

Shapes: b batch, c channels, H W of the picture, h w of the grid, r s pixels of a patch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.subnets import Plan

COLOURS = 3  # grey ones stand three times, so that pictures of any kind begin alike


class Patches(nn.Module):
    """Sizes of the patches of a plan's innermost map, and the fixed basis ``[3rs d]``."""

    basis: Tensor

    def __init__(self, plan: Plan, width: int) -> None:
        super().__init__()
        self.size, self.grid = plan.sizes[0], plan.sizes[-1]
        self.rows = 1 << sum(r == 2 for r, _ in plan.strides)
        self.columns = 1 << sum(s == 2 for _, s in plan.strides)
        count = COLOURS * self.rows * self.columns
        sides = max(count, width), min(count, width)
        drawn = torch.randn(*sides, generator=torch.Generator().manual_seed(1))
        basis = torch.linalg.qr(drawn)[0]
        self.register_buffer("basis", (basis if width < count else basis.T).contiguous())


class Taken(Patches):
    """Pixels ``[b c H W]`` in [-1, 1] -> what tokens carry of them, ``[b n d]``."""

    def beside(self, tokens: Tensor) -> Tensor:
        """Tokens ``[b n d]`` without what would be read as pixels, where that leaves something.

        Else the shortest way from tokens to pixels is what is learned first: a lattice of patches.
        """
        count, width = self.basis.shape
        if width <= count:
            return tokens
        with torch.autocast(tokens.device.type, enabled=False):
            return tokens - (tokens.float() @ self.basis.T) @ self.basis

    def forward(self, x: Tensor) -> Tensor:
        (height, along), (h, w) = self.size, self.grid
        x = x.expand(-1, COLOURS, -1, -1)
        x = F.pad(x, (0, w * self.columns - along, 0, h * self.rows - height), mode="replicate")
        x = x.view(len(x), COLOURS, h, self.rows, w, self.columns).permute(0, 2, 4, 1, 3, 5)
        return x.reshape(len(x), h * w, -1) @ self.basis


class Laid(Patches):
    """Tokens ``[b n d]`` -> the pixels ``[b c H W]`` they carry, about [-1, 1], in float32."""

    def __init__(self, plan: Plan, width: int) -> None:
        super().__init__(plan, width)
        self.channels = plan.features[0]

    def forward(self, tokens: Tensor) -> Tensor:
        (height, along), (h, w) = self.size, self.grid
        x = (tokens @ self.basis.T).float()
        x = x.view(len(x), h, w, COLOURS, self.rows, self.columns).permute(0, 3, 1, 4, 2, 5)
        x = x.reshape(len(x), COLOURS, h * self.rows, w * self.columns)[:, :, :height, :along]
        return x.mean(1, keepdim=True) if self.channels == 1 else x
