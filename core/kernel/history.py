"""History: what a phase's steps came to, kept on the device until somebody reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Window:
    """The steps of a phase between two readings.

    Args:
        steps: how many.
        skipped: which of them were left out, counted from 0.
        values: ``[steps, batches, terms]`` on the CPU.
    """

    steps: int
    skipped: tuple[int, ...]
    values: Tensor

    def sums(self) -> tuple[Tensor, int]:
        """Each term summed over the steps that were taken ``[terms]``, and their number."""
        taken = torch.ones(self.steps, dtype=torch.bool)
        taken[list(self.skipped)] = False
        return self.values[taken].mean(1).double().sum(0), int(taken.sum())


class History:
    """Losses and skip flags of up to ``size`` steps; writing them costs no host sync.

    Args:
        size: steps between two readings, at most.
        batches: batches a step accumulates.
        device: where they are kept.
    """

    def __init__(self, size: int, batches: int, device: torch.device) -> None:
        self.size, self.batches, self.device = size, batches, device
        self.names: tuple[str, ...] = ()
        self.step = 0
        self.flags = torch.zeros(size, device=device)
        self.flag_rows = self.flags.unbind()

    def name(self, names: tuple[str, ...]) -> None:
        """Say, once, which terms there are."""
        self.names = names
        self.values = torch.zeros(self.size, self.batches, len(names), device=self.device)
        self.value_rows = self.values.flatten(0, 1).unbind()

    def put(self, values: Sequence[Tensor], batch: int) -> None:
        """Note the detached terms ``[]`` of a batch of the current step."""
        torch.stack(values, out=self.value_rows[self.step * self.batches + batch])  # type: ignore[arg-type]

    def flag(self) -> Tensor:
        """Where the current step notes whether it was skipped (1.0), a 0-dim tensor."""
        return self.flag_rows[self.step]

    def read(self) -> Window:
        """What happened since the last reading; waits for the device."""
        steps, self.step = self.step, 0
        if not steps:
            return Window(0, (), torch.zeros(0, self.batches, len(self.names)))
        values = self.values[:steps].cpu().clone()
        flags = self.flags[:steps].cpu().clone()
        self.flags.zero_()
        return Window(steps, tuple(flags.nonzero().flatten().tolist()), values)
