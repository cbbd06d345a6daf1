"""Reading the phases' histories: losses, steps that were skipped, and when to give up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch

from ..stage import Stage
from .events import Event, Progress, Skipped
from .history import Window
from .phases import Player


class Log:
    """Turns what the phases noted since the last reading into events.

    Args:
        stage: being played.
        players: its phases.
    """

    def __init__(self, stage: Stage, players: Sequence[Player]) -> None:
        self.stage, self.players = stage, players
        self.step, self.clock = 0, time.perf_counter()

    def read(self, step: int) -> Iterator[Event]:
        """The events at ``step``; waits for the device."""
        losses: dict[str, float] = {}
        for player in self.players:
            window = player.history.read()
            yield from self._skips(player, window, step)
            sums, taken = window.sums()
            means = (sums / taken if taken else torch.full_like(sums, float("nan"))).tolist()
            for name, mean in zip(player.history.names, means, strict=True):
                losses[f"{player.phase.name}/{name}"] = mean
        now = time.perf_counter()
        rate = (step - self.step) / max(now - self.clock, 1e-9)
        self.step, self.clock = step, now
        yield Progress(self.stage.name, step, self.stage.steps, losses, rate)

    def _skips(self, player: Player, window: Window, step: int) -> Iterator[Event]:
        if window.skipped:
            player.skipped += len(window.skipped)
            bad = ~window.values[list(window.skipped)].isfinite().flatten(0, 1).all(0)
            terms = tuple(
                name
                for name, wrong in zip(player.history.names, bad.tolist(), strict=True)
                if wrong
            )
            yield Skipped(
                self.stage.name, step, player.phase.name, len(window.skipped), player.skipped, terms
            )
