"""Framing: a style decides how large a picture is drawn, and where."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGEST = 0.5  # what is seen is at most e^.5 times as large


class Framing(nn.Module):
    """A condition ``[b e]`` -> how maps ``[b c h w]`` of any size are read, enlarged and moved.

    Convolutions of 3 x 3 can hardly enlarge a picture, and artists differ in how much of their
    squares they fill. It begins as leaving everything where it is.

    Source: Jaderberg et al. 2015 (spatial transformers), secs. 3.1 to 3.3, with two scales and
    two shifts, told by the style alone.
    """

    def __init__(self, condition: int) -> None:
        super().__init__()
        self.linear = nn.Linear(condition, 4)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, style: Tensor) -> Tensor:
        """``[b 2 3]``: where in the map the picture's corners lie."""
        scale, shift = (LARGEST * self.linear(style).float().tanh()).chunk(2, 1)
        return torch.cat([torch.diag_embed(scale.exp()), shift[..., None]], 2)


def framed(x: Tensor, frame: Tensor | None) -> Tensor:
    """The map ``[b c h w]`` as the frame has it; its edges go on."""
    if frame is None:
        return x
    with torch.autocast(x.device.type, enabled=False):
        grid = F.affine_grid(frame, list(x.shape), align_corners=False)
        return F.grid_sample(x.float(), grid, padding_mode="border", align_corners=False)
