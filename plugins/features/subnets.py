"""The ends of features: perceptrons on standardised vectors, every item on its own.

Shapes: b batch, v numbers of a vector, d width of a code, h hidden.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.code import Code
from ...core.critics import Flat, Logit
from ...core.errors import DataError
from ...core.sequences.gru import exact
from ...core.signal import Signal
from ...core.subnets import check_condition, mean_token

HIDDEN = 512


class Scale(nn.Module):
    """Vectors ``[b v]`` to mean 0 and deviation 1, and back.

    Not weights: they come from the modality's settings, and so are not saved with a model.
    """

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, signal: Signal) -> Tensor:
        values = signal.values
        if values.ndim != 2 or values.shape[1] != len(self.mean):
            raise DataError(
                f"a signal of features is [b {len(self.mean)}], not {tuple(values.shape)}"
            )
        return (values - self.mean) / self.std

    def back(self, x: Tensor) -> Signal:
        return Signal(exact(x) * self.std + self.mean)


class FeaturesPrenet(nn.Module):
    """``Signal`` ``[b v]`` -> ``Code`` of one token.

    A code as wide as the vector is the standardised vector itself; any other is made by a
    perceptron.
    """

    def __init__(self, scale: Scale, size: int, width: int) -> None:
        super().__init__()
        self.scale = scale
        self.net: nn.Module = nn.Identity()
        if width != size:
            self.net = nn.Sequential(
                nn.Linear(size, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, width)
            )

    def forward(self, signal: Signal) -> Code:
        return Code.of(exact(self.net(self.scale(signal))))


class Enter(nn.Module):
    """``Code`` (and a condition) -> hidden features ``[b h]`` of its mean token."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width + condition, HIDDEN)
        self.condition = condition

    def forward(self, code: Code, condition: Code | None = None) -> Tensor:
        style = check_condition(condition, self.condition)
        x = mean_token(code)
        return F.leaky_relu(self.linear(x if style is None else torch.cat([x, style], 1)), 0.2)


class Hidden(nn.Module):
    """Hidden features ``[b h]`` -> hidden features."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.linear(x), 0.2)


class Leave(nn.Module):
    """Hidden features ``[b h]`` -> ``Signal`` ``[b v]``, float32 under any autocast."""

    def __init__(self, scale: Scale, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(HIDDEN, size)
        self.scale = scale

    def forward(self, x: Tensor) -> Signal:
        return self.scale.back(self.linear(x))


class FeaturesGenerator(nn.Module):
    """``Code`` (and a condition) -> ``Signal`` ``[b v]``, by a perceptron."""

    def __init__(self, scale: Scale, size: int, width: int, condition: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Enter(width, condition), Hidden(), Leave(scale, size)])

    def forward(self, code: Code, condition: Code | None = None) -> Signal:
        enter, hidden, leave = self.layers
        made: Signal = leave(hidden(enter(code, condition)))
        return made


class Unscaled(nn.Module):
    """A code that is the standardised vector -> ``Signal`` ``[b v]``; it learns nothing."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, code: Code) -> Signal:
        return self.scale.back(mean_token(code))


class Joined(nn.Module):
    """Signals, each standardised, laid beside each other ``[b v...]``."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, *signals: Signal) -> Tensor:
        return torch.cat([self.scale(x) for x in signals], 1)


class FeaturesDiscriminator(nn.Module):
    """``count`` signals (and a condition) -> logits ``[b]`` in float32.

    The condition enters by projection (Miyato & Koyama 2018, eq. 3).
    """

    def __init__(self, scale: Scale, size: int, condition: int = 0, count: int = 1) -> None:
        super().__init__()
        self.condition = condition
        self.first = nn.ModuleList([Joined(scale), Flat(size * count, HIDDEN), Flat(HIDDEN, 128)])
        self.logit = Logit(128)
        self.project = nn.Linear(condition, 128, bias=False) if condition else None

    @property
    def layers(self) -> list[nn.Module]:
        """In order, what a signal passes where there is no condition."""
        return [*self.first, self.logit]

    def forward(self, *given: Signal | Code) -> Tensor:
        signals = [x for x in given if isinstance(x, Signal)]
        told = [x for x in given if isinstance(x, Code)]
        style = check_condition(told[0] if told else None, self.condition)
        joined, *rest = self.first
        x = joined(*signals)
        for layer in rest:
            x = layer(x)
        logits: Tensor = self.logit(x)
        if style is None or self.project is None:
            return logits
        match: Tensor = (self.project(style) * x).float().sum(1) / math.sqrt(x.shape[1])
        return logits + match
