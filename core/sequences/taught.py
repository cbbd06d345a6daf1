"""Taught: what a sequence generator makes, and how it is made to follow a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..code import Code
from ..signal import Signal


@dataclass(frozen=True)
class Taught(Signal):
    """A sequence made step by step, with what its maker looked at.

    Steps past an item's ``steps`` are padding, as positions past its length are.

    Args:
        alignment: ``[b s n]``, at every step the weights over the tokens read; they sum to 1.
        stops: ``[b s]``, at every step the logit that it is the last; None where the sequence
            itself tells (a text's end unit).
        reduction: positions of ``values`` made in one step.
    """

    alignment: Tensor | None = None
    stops: Tensor | None = None
    reduction: int = 1

    @property
    def steps(self) -> Tensor:
        """``[b]``: how many steps made each item."""
        if self.lengths is None:
            t = self.values.shape[1]
            return self.values.new_full((len(self),), -(-t // self.reduction)).long()
        return -(-self.lengths // self.reduction)

    def __getitem__(self, index: Tensor | slice) -> Taught:
        return Taught(
            self.values[index],
            None if self.lengths is None else self.lengths[index],
            None if self.alignment is None else self.alignment[index],
            None if self.stops is None else self.stops[index],
            self.reduction,
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Taught:
        own = super().to(device, non_blocking)
        alignment, stops = (
            None if x is None else x.to(device, non_blocking=non_blocking)
            for x in (self.alignment, self.stops)
        )
        return Taught(own.values, own.lengths, alignment, stops, self.reduction)

    def before(self, others: Sequence[Signal]) -> Signal:
        """``cat`` of this batch and others; what only some of them tell is left out."""
        joined = super().before(others)
        parts = [self, *(x for x in others if isinstance(x, Taught))]
        if len(parts) <= len(others) or any(x.reduction != self.reduction for x in parts):
            return joined
        alignment = _stacked([x.alignment for x in parts])
        stops = _stacked([x.stops for x in parts])
        return Taught(joined.values, joined.lengths, alignment, stops, self.reduction)


def _stacked(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Tensors ``[b ...]`` end to end, the other axes padded with zeros; None where one is None."""
    there = [x for x in parts if x is not None]
    if len(there) < len(parts):
        return None
    sizes = torch.tensor([x.shape[1:] for x in there]).amax(0).tolist()

    def padded(x: Tensor) -> Tensor:
        ends = [size - n for size, n in zip(sizes, x.shape[1:], strict=True)]
        return F.pad(x, [pad for end in reversed(ends) for pad in (0, end)])

    return torch.cat([padded(x) for x in there])


def teach(generator: nn.Module, code: Code, condition: Code | None, target: Signal) -> Signal:
    """What the generator makes of a code when it is told, at every step, the target so far.

    A generator that makes its items at once has no ``teach`` and is simply called.
    """
    given = () if condition is None else (condition,)
    teaches: Any = getattr(generator, "teach", None)
    made: Signal = generator(code, *given) if teaches is None else teaches(code, target, *given)
    return made
