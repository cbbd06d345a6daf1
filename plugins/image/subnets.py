"""The image's ends: convolutional, for any size, every item on its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.canvas import Canvas, Render
from ...core.code import Code
from ...core.critics import Critic
from ...core.decoders import ConvDecoder
from ...core.signal import Signal
from ...core.subnets import ConvPrenet, Plan, halvings, squash


def stages_of(patch: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """How often a critic of patches halves each axis; None, as ``Plan`` knows, for no patches.

    A position after k stages of kernel 5 sees ``2^(k + 2) - 3`` pixels along an axis.
    """
    if not patch:
        return None
    k = max(1, round(math.log2((patch + 3) / 4)))
    return min(k, halvings(size[0])), min(k, halvings(size[1]))


class ImagePrenet(nn.Module):
    """``Signal`` ``[b c h w]`` -> ``Code``: one token, or n = positions of the innermost map.

    Args:
        enter: from the signal to the picture that the convolutions see.
        plan: the sizes, from there on.
        width: d of the code.
        pooled: whether one token says it all.
    """

    def __init__(self, enter: nn.Module, plan: Plan, width: int, pooled: bool) -> None:
        super().__init__()
        h, w = plan.sizes[-1]
        self.enter = enter
        self.net = ConvPrenet(plan, width, 1 if pooled else h * w)

    def forward(self, signal: Signal) -> Code:
        return Code(self.net(self.enter(signal)), placed=True)


class Squashed(nn.Module):
    """Logits -> ``Signal`` in [0, 1]."""

    def forward(self, x: Tensor) -> Signal:
        return Signal(squash(x))


class Centred(nn.Module):
    """``Signal`` -> pixels in [-1, 1]: of mean about 0, first features keep apart."""

    def forward(self, signal: Signal) -> Tensor:
        return signal.values * 2 - 1


class Sloped(nn.Module):
    """``Signal`` -> pixels in [-1, 1], and beside them how they differ from the next.

    ``[b 3c h w]``: pixels, then ``tanh(steepness * difference)`` to the right and down, 0 past the
    edge. Squashed so, faint shading counts beside edges: at 20, a step of one grey level in 255 is
    .16 of the sharpest edge, among pixels .004.

    Args:
        steepness: of the squashing; differences span [-2, 2].
    """

    def __init__(self, steepness: float) -> None:
        super().__init__()
        self.steepness = steepness

    def forward(self, signal: Signal) -> Tensor:
        x = signal.values * 2 - 1
        right = F.pad(x[..., 1:] - x[..., :-1], (0, 1))
        down = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
        return torch.cat([x, *(torch.tanh(self.steepness * d) for d in (right, down))], 1)


class ImageGenerator(nn.Module):
    """``Code`` -> ``Signal`` ``[b c h w]`` in [0, 1], float32 under any autocast."""

    def __init__(self, plan: Plan, width: int, condition: int, hidden: int) -> None:
        super().__init__()
        h, w = plan.sizes[-1]
        self.net = ConvDecoder(
            plan, width, condition, n=h * w, stage=len(plan.strides), hidden=hidden
        )

    @property
    def layers(self) -> list[nn.Module]:
        """In order, from a code of one token to the signal."""
        *inner, last = self.net.layers
        return [*inner, nn.Sequential(last, Squashed())]

    def forward(self, code: Code, condition: Code | None = None) -> Signal:
        return Signal(squash(self.net(code, condition)))


class WaistedGenerator(nn.Module):
    """``Code`` -> a few features of full size -> ``Signal`` ``[b c h w]`` in [0, 1]."""

    def __init__(
        self, channels: int, size: tuple[int, int], width: int, condition: int, waist: int
    ) -> None:
        super().__init__()
        self.net = Canvas(Plan(waist, size), width, condition)
        self.render = Render(waist, channels)

    @property
    def layers(self) -> list[nn.Module]:
        """In order, from a code to the signal."""
        return [*self.net.layers, nn.Sequential(self.render, Squashed())]

    def forward(self, code: Code, condition: Code | None = None) -> Signal:
        return Signal(squash(self.render(self.net(code, condition))))


class ImageDiscriminator(nn.Module):
    """``Signal`` (and a condition ``Code``) -> logits ``[b]``.

    Args:
        enter: from the signal to the picture ``[b c h w]`` that is judged.
        plan: the sizes, from there on.
        condition: width of the condition; 0 for none.
        patches: see ``core.critics.Critic``.
    """

    def __init__(self, enter: nn.Module, plan: Plan, condition: int, patches: bool) -> None:
        super().__init__()
        self.enter = enter
        self.net = Critic(plan, condition, patches=patches)

    @property
    def layers(self) -> list[nn.Module]:
        """In order, from the signal to features ``[b d]``, the last but one, to logits."""
        first, *rest = self.net.layers
        return [nn.Sequential(self.enter, first), *rest]

    def forward(self, signal: Signal, condition: Code | None = None) -> Tensor:
        logits: Tensor = self.net(self.enter(signal), condition)
        return logits
