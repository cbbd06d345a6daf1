"""The image's ends: convolutional, for any size, every item on its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...core.code import Code
from ...core.signal import Signal
from ...core.subnets import ConvCritic, ConvDecoder, ConvPrenet, Plan, Render, squash


class ImagePrenet(nn.Module):
    """``Signal`` ``[b c h w]`` -> ``Code``: one token, or n = positions of the innermost map."""

    def __init__(self, channels: int, size: tuple[int, int], width: int, pooled: bool) -> None:
        super().__init__()
        plan = Plan(channels, size)
        h, w = plan.sizes[-1]
        self.net = ConvPrenet(plan, width, 1 if pooled else h * w)

    def forward(self, signal: Signal) -> Code:
        # pixels of mean about 0 keep the first layer's features apart
        return Code(self.net(signal.values * 2 - 1))


class Squashed(nn.Module):
    """Logits -> ``Signal`` in [0, 1]."""

    def forward(self, x: Tensor) -> Signal:
        return Signal(squash(x))


class Centred(nn.Module):
    """``Signal`` -> pixels in [-1, 1]."""

    def forward(self, signal: Signal) -> Tensor:
        return signal.values * 2 - 1


class ImageGenerator(nn.Module):
    """``Code`` -> ``Signal`` ``[b c h w]`` in [0, 1], float32 under any autocast.

    With a waist, the map of full size has that few features, and two small convolutions
    render the picture from it.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], width: int, condition: int, waist: int
    ) -> None:
        super().__init__()
        plan = Plan(waist or channels, size)
        h, w = plan.sizes[-1]
        self.net = ConvDecoder(plan, width, condition, n=h * w, stage=len(plan.strides))
        self.render = Render(waist, channels) if waist else None

    @property
    def layers(self) -> list[nn.Module]:
        """In order, from a code of one token to the signal."""
        inner = self.net.layers
        last = inner.pop() if self.render is None else self.render
        return [*inner, nn.Sequential(last, Squashed())]

    def forward(self, code: Code, condition: Code | None = None) -> Signal:
        x = self.net(code, condition)
        return Signal(squash(x if self.render is None else self.render(x)))


class ImageDiscriminator(nn.Module):
    """``Signal`` (and a condition ``Code``) -> logits ``[b]``."""

    def __init__(self, channels: int, size: tuple[int, int], condition: int) -> None:
        super().__init__()
        self.net = ConvCritic(Plan(channels, size), condition)

    @property
    def layers(self) -> list[nn.Module]:
        """In order, from the signal to features ``[b d]``, the last but one, to logits."""
        first, *rest = self.net.layers
        return [nn.Sequential(Centred(), first), *rest]

    def forward(self, signal: Signal, condition: Code | None = None) -> Tensor:
        logits: Tensor = self.net(signal.values * 2 - 1, condition)
        return logits


class JointDiscriminator(nn.Module):
    """``count`` signals, their channels laid upon each other, -> logits ``[b]``."""

    def __init__(self, channels: int, size: tuple[int, int], count: int) -> None:
        super().__init__()
        self.net = ConvCritic(Plan(count * channels, size), 0)

    def forward(self, *signals: Signal) -> Tensor:
        logits: Tensor = self.net(torch.cat([x.values for x in signals], 1) * 2 - 1)
        return logits
