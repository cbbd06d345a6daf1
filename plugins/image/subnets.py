"""The image's ends: convolutional, for any size, every item on its own."""

from __future__ import annotations

from torch import Tensor, nn

from ...core.code import Code
from ...core.signal import Signal
from ...core.subnets import ConvCritic, ConvDecoder, ConvPrenet, Plan, squash


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


class ImageGenerator(nn.Module):
    """``Code`` -> ``Signal`` ``[b c h w]`` in [0, 1], float32 under any autocast."""

    def __init__(self, channels: int, size: tuple[int, int], width: int, condition: int) -> None:
        super().__init__()
        plan = Plan(channels, size)
        h, w = plan.sizes[-1]
        self.net = ConvDecoder(plan, width, condition, n=h * w, stage=len(plan.strides))

    def forward(self, code: Code, condition: Code | None = None) -> Signal:
        return Signal(squash(self.net(code, condition)))


class ImageDiscriminator(nn.Module):
    """``Signal`` (and a condition ``Code``) -> logits ``[b]``."""

    def __init__(self, channels: int, size: tuple[int, int], condition: int) -> None:
        super().__init__()
        self.net = ConvCritic(Plan(channels, size), condition)

    def forward(self, signal: Signal, condition: Code | None = None) -> Tensor:
        logits: Tensor = self.net(signal.values * 2 - 1, condition)
        return logits
