"""Learning rates over a stage."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..stage import Adam


def factor(settings: Adam, taken: int, steps: int) -> float:
    """What the peak learning rate is multiplied by, as ``LambdaLR`` would.

    Args:
        settings: schedule and warm-up.
        taken: steps the optimiser has taken.
        steps: those it will take in all.
    """
    if taken < settings.warmup:
        return (taken + 1) / settings.warmup
    if settings.schedule == "constant":
        return 1.0
    along = (taken - settings.warmup) / max(1, steps - settings.warmup)
    if settings.schedule == "late":
        along = max(0.0, 2 * along - 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, along)))


class Schedule:
    """A learning rate that moves only when the optimiser did.

    Whether a step was taken is known to the device alone, so the rates of all steps lie
    there in a row and a counter beside them picks the next one.

    Args:
        settings: of the optimiser.
        steps: those the optimiser will take in all.
        device: where the parameters are.
    """

    def __init__(self, settings: Adam, steps: int, device: torch.device) -> None:
        rates = [settings.lr * factor(settings, taken, steps) for taken in range(steps + 1)]
        self.rates = torch.tensor(rates, device=device)
        self.taken = torch.zeros((), dtype=torch.long, device=device)
        self.rate: Tensor = self.rates[0].clone()

    def update(self, skipped: Tensor) -> None:
        """Move on, unless ``skipped`` (a 0-dim tensor, 1.0 or 0.0) says no."""
        self.taken.add_(skipped.eq(0))
        self.look_up()

    def look_up(self) -> None:
        """Set the rate to that of the steps taken so far."""
        torch.take(self.rates, self.taken, out=self.rate)
