"""Taught: what a sequence generator makes, and how it is made to follow a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..code import Code
from ..signal import Signal


@dataclass(frozen=True)
class Taught(Signal):
    """A sequence made step by step, with what its maker looked at.

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


def teach(generator: nn.Module, code: Code, condition: Code | None, target: Signal) -> Signal:
    """What the generator makes of a code when it is told, at every step, the target so far.

    A generator that makes its items at once has no ``teach`` and is simply called.
    """
    given = () if condition is None else (condition,)
    teaches: Any = getattr(generator, "teach", None)
    made: Signal = generator(code, *given) if teaches is None else teaches(code, target, *given)
    return made
