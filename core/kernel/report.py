"""Reading the phases' histories: losses, steps that were skipped, and when to give up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from ..errors import TrainingError
from ..stage import Batch, Stage
from .distributed import World
from .events import Event, Progress, Skipped
from .history import Window
from .phases import Player

SHOWN = 16  # rows an error names before it says how many more there are


class Log:
    """Turns what the phases noted since the last reading into events.

    Args:
        stage: being played.
        players: its phases.
        step: steps made before.
        patience: see ``Training``.
        world: the processes whose losses are averaged.
        answer: the k-th answer of the stage's feed, for naming rows.
    """

    def __init__(
        self,
        stage: Stage,
        players: Sequence[Player],
        step: int,
        patience: int,
        world: World,
        answer: Callable[[int], Mapping[str, Batch]],
    ) -> None:
        self.stage, self.players, self.patience = stage, players, patience
        self.world, self.answer = world, answer
        self.read = self.told = step
        self.clock = time.perf_counter()
        self.sums: dict[str, tuple[Tensor, int]] = {}

    def collect(self, step: int) -> Iterator[Event]:
        """Read every history up to ``step``; waits for the device.

        Raises:
            TrainingError: too many steps in a row were skipped; names stage, phase, terms
                and rows.
        """
        for player in self.players:
            window = player.history.read()
            sums, taken = window.sums()
            earlier, count = self.sums.get(player.phase.name, (torch.zeros_like(sums), 0))
            self.sums[player.phase.name] = earlier + sums, count + taken
            if window.skipped:
                player.skipped += len(window.skipped)
                yield Skipped(
                    self.stage.name,
                    step,
                    player.phase.name,
                    len(window.skipped),
                    player.skipped,
                    self._bad(player, window, window.skipped),
                )
            self._lose_patience(player, window)
        self.read = step

    def progress(self, step: int) -> Iterator[Event]:
        """The events at ``step``, the last one being the losses since such an event before."""
        yield from self.collect(step)
        losses: dict[str, float] = {}
        for player in self.players:
            sums, taken = self.sums.pop(player.phase.name)
            means = (sums / taken if taken else torch.full_like(sums, float("nan"))).tolist()
            for name, mean in zip(player.history.names, means, strict=True):
                losses[f"{player.phase.name}/{name}"] = mean
        losses = dict(zip(losses, self.world.mean(list(losses.values())), strict=True))
        now = time.perf_counter()
        rate = (step - self.told) / max(now - self.clock, 1e-9)
        self.told, self.clock = step, now
        yield Progress(self.stage.name, step, self.stage.steps, losses, rate)

    def _lose_patience(self, player: Player, window: Window) -> None:
        skipped = set(window.skipped)
        for turn in range(window.steps):
            player.streak = player.streak + 1 if turn in skipped else 0
            if player.streak > self.patience:
                bad = self._bad(player, window, [turn])
                what = f"the terms {', '.join(bad)}" if bad else "the gradients, of finite terms,"
                raise TrainingError(
                    f"{player.where}: {what} were not finite {player.streak} times in a row, last "
                    f"at step {self.read + turn // player.phase.turns + 1} with "
                    f"{self._rows(player, window, turn)}. The weights are those before; look at "
                    f"these records, lower the learning rate, or set a clip"
                )

    def _rows(self, player: Player, window: Window, turn: int) -> str:
        """The rows of the batches of a turn: those that hold non-finite values, or all."""
        steps, own = divmod(turn, player.phase.turns)
        turns = self.read + steps
        if self.stage.shared is None:
            before = self.players[: self.players.index(player)]
            whole = sum(other.phase.turns for other in self.players)
            turns = turns * whole + sum(other.phase.turns for other in before) + own
        seen: dict[str, list[int]] = {}
        odd: dict[str, list[int]] = {}
        for i in range(player.accumulate):
            for batch in self.answer(turns * player.accumulate + i).values():
                for domain, rows in batch.rows.items():
                    values = batch.signals[domain].values
                    bad = ~values.isfinite().reshape(len(rows), -1).all(1).cpu()
                    seen.setdefault(domain, []).extend(rows.tolist())
                    odd.setdefault(domain, []).extend(rows[bad].tolist())
        all_seen, all_odd = zip(*self.world.gather([seen, odd]), strict=True)
        if any(rows for found in all_odd for rows in found.values()):
            return f"values that are not finite in {_list(all_odd)}"
        return _list(all_seen)

    def _bad(self, player: Player, window: Window, turns: Sequence[int]) -> tuple[str, ...]:
        """The terms that were not finite in these turns, in any process."""
        finite = window.values[list(turns)].isfinite().flatten(0, 1).all(0).tolist()
        fine = map(all, zip(*self.world.gather(finite), strict=True))
        return tuple(name for name, ok in zip(player.history.names, fine, strict=True) if not ok)


def _list(found: Sequence[Mapping[str, Sequence[int]]]) -> str:
    parts = []
    for domain in found[0]:
        several = sorted({number for rows in found for number in rows[domain]})
        if several:
            more = f" and {len(several) - SHOWN} more" if len(several) > SHOWN else ""
            shown = ", ".join(str(row + 1) for row in several[:SHOWN])  # as everywhere, from 1
            parts.append(f"{domain!r} rows {shown}{more}")
    return "; ".join(parts)
