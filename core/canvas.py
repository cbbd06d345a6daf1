"""A generator with a narrow place: a canvas of few features, and what renders pictures from it.

Domains whose generators share everything up to the canvas can differ in their looks only: so
few features have no room for two unrelated pictures, and what renders them sees no further
than a few pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .code import Code
from .decoders import Start, Up
from .subnets import Plan, check_condition, even, he, mean_token


class Smooth(nn.Module):
    """``[b c h w]`` -> ``[b c h w]``: evened (see ``even``), then convolved."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.conv(even(x).contiguous(memory_format=torch.channels_last))
        return made


class Enlarge(nn.Module):
    """``[b c h w]`` -> ``[b d H W]``: evened, enlarged bilinearly, then convolved."""

    def __init__(self, c: int, d: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.conv = nn.Conv2d(c, d, 5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = even(x).contiguous(memory_format=torch.channels_last)
        made: Tensor = self.conv(F.interpolate(x, self.size, mode="bilinear"))
        return made

    def extra_repr(self) -> str:
        return f"size={self.size}"


class Canvas(nn.Module):
    """A code (and a condition, beside its mean token) -> features ``[b c h w]`` of full size.

    Args:
        plan: the sizes, from outside in; its channels are the canvas's features.
        width: d of the code.
        condition: width of the condition; 0 for none.
    """

    def __init__(self, plan: Plan, width: int, condition: int = 0) -> None:
        super().__init__()
        self.condition = condition
        features, sizes = plan.features, plan.sizes
        inner: list[nn.Module] = [
            Up(features[i + 1], features[i], plan.strides[i], sizes[i], True)
            for i in range(len(plan.strides) - 1, 0, -1)
        ]
        self.layers = nn.ModuleList(
            [
                Start(width + condition, (features[-1], *sizes[-1])),
                *inner,
                Smooth(features[1]),
                Enlarge(features[1], features[0], sizes[0]),
            ]
        )
        he(self)

    def forward(self, code: Code, condition: Code | None = None) -> Tensor:
        style = check_condition(condition, self.condition)
        x = mean_token(code)
        if style is not None:
            x = torch.cat([x, style], 1)
        for layer in self.layers:
            x = layer(x)
        return x


class Render(nn.Module):
    """A canvas ``[b w h w]`` -> pictures ``[b c h w]``, not yet squashed.

    A tanh, then two small convolutions: a pixel depends on its neighbourhood alone.

    Args:
        waist: features of the canvas.
        channels: of the picture.
        hidden: features between the convolutions.
    """

    def __init__(self, waist: int, channels: int, hidden: int = 16) -> None:
        super().__init__()
        self.first = nn.Conv2d(waist, hidden, 5, 1, 2)
        self.last = nn.Conv2d(hidden, channels, 3, 1, 1)
        he(self)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(x).contiguous(memory_format=torch.channels_last)
        made: Tensor = self.last(F.relu_(self.first(x)))
        return made
