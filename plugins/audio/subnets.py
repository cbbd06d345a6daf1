"""The audio's ends: convolutional over the picture of one window, every item on its own."""

from __future__ import annotations

from torch import Tensor, nn

from ...core.code import Code
from ...core.critics import Critic
from ...core.decoders import ConvDecoder
from ...core.errors import DataError
from ...core.signal import Signal
from ...core.subnets import ConvPrenet, Plan, squash


class Picture(nn.Module):
    """``Signal`` -> its values ``[b 1 h w]``; black is the background, or silence.

    Raises:
        DataError: values of another shape.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, signal: Signal) -> Tensor:
        values = signal.values
        if values.ndim != 4 or values.shape[1:] != (1, *self.size):
            h, w = self.size
            raise DataError(f"an audio signal is [b 1 {h} {w}], not {tuple(values.shape)}")
        return values


class Squashed(nn.Module):
    """Logits -> ``Signal`` in [0, 1], float32 under any autocast."""

    def forward(self, x: Tensor) -> Signal:
        return Signal(squash(x))


class AudioPrenet(nn.Module):
    """``Signal`` ``[b 1 h w]`` -> ``Code``: one token, or n = positions of the innermost map."""

    def __init__(self, size: tuple[int, int], width: int, pooled: bool) -> None:
        super().__init__()
        plan = Plan(1, size)
        h, w = plan.sizes[-1]
        self.picture = Picture(size)
        self.net = ConvPrenet(plan, width, 1 if pooled else h * w)

    def forward(self, signal: Signal) -> Code:
        return Code(self.net(self.picture(signal)), placed=True)


class AudioGenerator(nn.Module):
    """``Code`` -> ``Signal`` ``[b 1 h w]`` in [0, 1], float32 under any autocast."""

    def __init__(self, size: tuple[int, int], width: int, condition: int, hidden: int) -> None:
        super().__init__()
        plan = Plan(1, size)
        h, w = plan.sizes[-1]
        self.net = ConvDecoder(
            plan, width, condition, n=h * w, stage=len(plan.strides), hidden=hidden
        )
        self.squashed = Squashed()

    @property
    def layers(self) -> list[nn.Module]:
        """In order, from a code of one token to the signal."""
        *inner, last = self.net.layers
        return [*inner, nn.Sequential(last, self.squashed)]

    def forward(self, code: Code, condition: Code | None = None) -> Signal:
        made: Signal = self.squashed(self.net(code, condition))
        return made


class AudioDiscriminator(nn.Module):
    """``Signal`` (and a condition ``Code``) -> logits ``[b]``."""

    def __init__(self, size: tuple[int, int], condition: int, base: int) -> None:
        super().__init__()
        self.picture = Picture(size)
        self.net = Critic(Plan(1, size, base=base), condition)

    @property
    def layers(self) -> list[nn.Module]:
        """In order, from the signal to features ``[b d]``, the last but one, to logits."""
        first, *rest = self.net.layers
        return [nn.Sequential(self.picture, first), *rest]

    def forward(self, signal: Signal, condition: Code | None = None) -> Tensor:
        logits: Tensor = self.net(self.picture(signal), condition)
        return logits
