"""Kernel: the loop that plays stages and phases."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from ..modes import check_modes
from ..seeds import derived_seed
from ..stage import Stage
from ..table import Table
from . import noise, transfer
from .checkpoint import State
from .checks import check_alike, check_stages
from .distributed import World, agree, join, local_rank
from .events import Event, Interrupted, Resumed, StageFinished, StageStarted
from .interrupt import Interrupt
from .keeper import Keeper
from .phases import Feed, Player, trainable
from .precision import autocast, tf32
from .report import Log
from .settings import Training, resolve_device
from .state import fingerprint, restore_model, restore_players


class Kernel:
    """Trains a model: stages in order, in each step every phase in turn.

    A phase's modules learn while it plays; everything else of the model is held still (eval
    mode, no gradients, BatchNorm statistics unmoved). Afterwards the model is in eval mode
    and requires gradients where it did before.

    Steps whose gradients are not finite change nothing: neither weights nor moments, averages
    or schedules. With a checkpoint folder, a run that ended anywhere goes on there to the same
    bits, and SIGINT and SIGTERM end it after the step at hand (several processes after the next
    one that is logged).

    Args:
        model: holds all that is learned.
        stages: what to play.
        table: the records to draw from.
        settings: of the run.

    Raises:
        TrainingError: a phase learns nothing or what is no part of the model, or no phase
            claims some trainable parameter.
        SettingError: the device cannot be used; a mode of torch in which nothing can learn.
    """

    def __init__(
        self,
        model: nn.Module,
        stages: Sequence[Stage],
        table: Table,
        settings: Training | None = None,
    ) -> None:
        self.model = model
        self.stages = tuple(stages)
        self.table = table
        self.settings = settings or Training()
        self.device = resolve_device(self.settings.device, local_rank())
        check_modes(self.device)
        check_stages(model, self.stages)

    def run(self) -> Iterator[Event]:
        """Train to the end, telling how it goes.

        Raises:
            TrainingError: more than ``patience`` steps of a phase in a row were not finite; of
                several processes, one ended, or they are not given the same.
            CheckpointError: a state cannot be written, or those there cannot be used.
            SettingError: the environment speaks of other processes, but not of how to meet them.
        """
        settings, model = self.settings, self.model
        learnable = trainable([model])
        model.to(self.device)
        if settings.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        with (
            join(self.device) as world,
            tf32(settings.tf32),
            Interrupt(settings.checkpoint is not None) as interrupt,
        ):
            identity = fingerprint(model, self.stages, self.table, settings, world.size)
            check_alike(world, model, identity, settings)
            keeper = Keeper(model, identity, settings, world, interrupt)
            state = keeper.load()
            first = 0
            if state is not None:
                restore_model(model, state)
                first = state.facts["stage"]
                name = self.stages[first].name if first < len(self.stages) else ""
                yield Resumed(name, state.facts["step"], state.path, state.warning)
            for tensor in (*model.parameters(), *model.buffers()) if world.size > 1 else ():
                agree([tensor])
            try:
                for index in range(first, len(self.stages)):
                    yield from self._play(index, learnable, keeper, state)
                    if keeper.signal:
                        return
                    state = None
            finally:
                model.eval()
                for parameter in learnable:
                    parameter.grad = None
                    parameter.requires_grad = True

    def _play(
        self, index: int, learnable: Sequence[nn.Parameter], keeper: Keeper, state: State | None
    ) -> Iterator[Event]:
        settings, stage, world = self.settings, self.stages[index], keeper.world
        begun = time.perf_counter()
        noise.seed(derived_seed(settings.seed, stage.name, "noise", world.rank))
        done = state.facts["step"] if state is not None else 0
        players = self._players(stage, learnable, world, done)
        table = self.table
        if stage.prepare is not None:
            generator = torch.Generator()
            generator.manual_seed(derived_seed(settings.seed, stage.name, "prepare"))
            with autocast(settings.precision, self.device):
                table = stage.prepare(table, generator)
        table = transfer.place(table, self.device)
        turns = [player for player in players for _ in range(player.phase.turns)]
        answers = settings.accumulate * (1 if stage.shared else len(turns))  # a step
        order = derived_seed(settings.seed, stage.name, "order")

        def feed(start: int) -> Feed:
            return transfer.feed(table, stage.draws, order, start, world, self.device)

        batches = feed(done * answers)
        log = Log(stage, players, done, settings.patience, world, lambda k: next(feed(k)))
        if state is not None and state.facts["phases"]:
            restore_players(players, state)
            noise.restore(state.facts["noise"][world.rank])
        yield StageStarted(stage.name, done, stage.steps)
        learning: Player | None = None
        alone = ((each,) for each in batches)
        for step in range(done + 1, stage.steps + 1):
            together: list[tuple[Any, ...]] = []
            if stage.shared is not None:
                together, learning = self._together(stage, players, batches, step), None
            for player in turns:
                if player is not learning:
                    if learning is not None:
                        learning.hold(False)
                    player.hold(True)
                    learning = player
                if stage.shared is None:
                    player.note()
                player.play(iter(together) if stage.shared else alone)
            if step % settings.log_every == 0 or step == stage.steps:
                yield from log.progress(step)
            if keeper.due(step, stage.steps):
                yield from log.collect(step)
                yield from keeper.save(index, stage.name, step, players)
                if keeper.signal:
                    yield Interrupted(stage.name, step, keeper.signal)
                    return
        for player in players:
            player.hold(False)
            if player.average is not None:
                player.average.replace()
        yield from keeper.save_end(index, stage)
        yield StageFinished(stage.name, stage.steps, time.perf_counter() - begun)
        if keeper.signal:
            yield Interrupted(stage.name, stage.steps, keeper.signal)

    def _together(
        self, stage: Stage, players: Sequence[Player], batches: Feed, step: int
    ) -> list[tuple[Any, ...]]:
        """What the phases of a step share, with gradients for all of them."""
        for player in players:
            player.hold(True)
            player.note()
        with autocast(self.settings.precision, self.device):
            given = [stage.given(next(batches), step) for _ in range(self.settings.accumulate)]
        for player in players:
            player.hold(False)
        return given

    def _players(
        self, stage: Stage, learnable: Sequence[nn.Parameter], world: World, done: int
    ) -> list[Player]:
        """The stage's phases made ready, and all of the model held still."""
        for parameter in learnable:
            parameter.requires_grad = True
        claims = [trainable(phase.learns) for phase in stage.phases]
        self.model.eval()
        for parameter in learnable:
            parameter.requires_grad = False
        settings = self.settings
        return [
            Player(
                stage.name,
                phase,
                parameters,
                stage.steps * phase.turns,
                min(settings.log_every, stage.steps) * phase.turns,
                settings,
                world,
                done * phase.turns,
            )
            for phase, parameters in zip(stage.phases, claims, strict=True)
        ]
