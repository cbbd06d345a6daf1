"""Critics: what judges pictures, whole or patch by patch, alone or several laid upon each other.

Shapes: b batch, c channels, h w size in pixels, d width of features, C features of a map.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .code import Code
from .signal import Signal
from .subnets import ConvEncoder, Plan, check_condition


class Flat(nn.Module):
    """A map ``[b C h w]`` -> features ``[b d]``: a linear layer and a leaky ReLU."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, hidden)
        nn.init.kaiming_normal_(self.linear.weight, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.linear(x.flatten(1)), 0.2)


class Pool(nn.Module):
    """A map ``[b C h w]`` -> features ``[b d]``, the mean of those of all positions.

    A linear logit of them is the mean of the positions' own logits.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, hidden, 1)
        nn.init.kaiming_normal_(self.conv.weight, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x), 0.2).mean((2, 3))


class Logit(nn.Module):
    """Features ``[b d]`` -> logits ``[b]`` in float32."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        nn.init.normal_(self.linear.weight, 0, 0.01)  # undecided at first

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x)
        return logits[:, 0].float()


class Critic(nn.Module):
    """A picture, and a condition where it was built for one, -> logits ``[b]`` in float32.

    Convolutions, or without them linear layers on the pixels: such a critic judges a picture
    as a whole, is weak on texture and cheap, and lets small generators keep up with it. The
    condition enters by projection: ``logit = w . h(x) + (V y) . h(x)`` (Miyato & Koyama 2018,
    eq. 3).

    Args:
        plan: the sizes, from outside in; without features after the first stage, no
            convolutions.
        condition: width of the condition; 0 for none.
        hidden: width of the last features.
        patches: whether each position of the innermost map judges what it sees by itself; the
            logit is the mean of theirs (Isola et al. 2017, sec. 3.2.2).
    """

    def __init__(
        self, plan: Plan, condition: int, hidden: int = 256, patches: bool = False
    ) -> None:
        super().__init__()
        self.condition = condition
        if plan.features[1]:
            encoder: nn.Module = ConvEncoder(plan, slope=0.2, kernel=5)
            self.first = nn.ModuleList(encoder.layers)  # type: ignore[arg-type]
            flat = plan.features[-1] * math.prod(plan.sizes[-1])
        else:
            self.first = nn.ModuleList([Flat(plan.features[0] * math.prod(plan.sizes[0]), 512)])
            flat = 512
        self.flat = Pool(plan.features[-1], hidden) if patches else Flat(flat, hidden)
        self.logit = Logit(hidden)
        self.project = nn.Linear(condition, hidden, bias=False) if condition else None

    @property
    def layers(self) -> list[nn.Module]:
        """In order, what a picture passes where there is no condition."""
        return [*self.first, self.flat, self.logit]

    def forward(self, x: Tensor, condition: Code | None = None) -> Tensor:
        style = check_condition(condition, self.condition)
        for layer in self.first:
            x = layer(x)
        x = self.flat(x)
        logits: Tensor = self.logit(x)
        if style is None or self.project is None:
            return logits
        match: Tensor = (self.project(style) * x).float().sum(1) / math.sqrt(x.shape[1])
        return logits + match


class JointCritic(nn.Module):
    """Signals laid upon each other as the channels of one picture -> logits ``[b]``.

    Args:
        enter: from a signal to its picture ``[b c h w]``.
        plan: the sizes; its channels are those of all signals together.
    """

    def __init__(self, enter: nn.Module, plan: Plan) -> None:
        super().__init__()
        self.enter = enter
        self.net = Critic(plan, 0)

    def forward(self, *signals: Signal) -> Tensor:
        logits: Tensor = self.net(torch.cat([self.enter(x) for x in signals], 1))
        return logits
