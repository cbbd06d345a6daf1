"""Kernel: the loop that plays stages and phases."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from ..seeds import derived_seed
from ..stage import Stage
from ..table import Table
from . import report, transfer
from .checks import check_stages
from .events import Event, StageFinished, StageStarted
from .phases import Player, trainable
from .settings import Training, resolve_device


class Kernel:
    """Trains a model: stages in order, in each step every phase in turn.

    A phase's modules learn while it plays; everything else of the model is held still (eval
    mode, no gradients, BatchNorm statistics unmoved). Afterwards the model is in eval mode
    and requires gradients where it did before.

    Args:
        model: holds all that is learned.
        stages: what to play.
        table: the records to draw from.
        settings: of the run.

    Raises:
        TrainingError: a phase learns nothing or what is no part of the model, or no phase
            claims some trainable parameter.
        SettingError: the device cannot be used.
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
        self.device = resolve_device(self.settings.device)
        check_stages(model, self.stages)

    def run(self) -> Iterator[Event]:
        """Train to the end, telling how it goes.

        Raises:
            TrainingError: more than ``patience`` steps of a phase in a row were not finite.
        """
        learnable = trainable([self.model])
        self.model.to(self.device)
        try:
            for stage in self.stages:
                self.model.eval()
                for parameter in learnable:
                    parameter.requires_grad = True
                phases = [trainable(phase.learns) for phase in stage.phases]
                for parameter in learnable:
                    parameter.requires_grad = False
                yield from self._play(stage, phases)
        finally:
            self.model.eval()
            for parameter in learnable:
                parameter.grad = None
                parameter.requires_grad = True

    def _play(self, stage: Stage, learnable: list[list[nn.Parameter]]) -> Iterator[Event]:
        settings, begun = self.settings, time.perf_counter()
        seed_noise(derived_seed(settings.seed, stage.name, "noise"))
        table = self.table
        if stage.prepare is not None:
            generator = torch.Generator()
            generator.manual_seed(derived_seed(settings.seed, stage.name, "prepare"))
            table = stage.prepare(table, generator)
        table = transfer.place(table, self.device)
        players = [
            Player(
                stage.name,
                phase,
                parameters,
                stage.steps * phase.turns,
                settings.log_every * phase.turns,
                settings,
                self.device,
            )
            for phase, parameters in zip(stage.phases, learnable, strict=True)
        ]
        turns = [player for player in players for _ in range(player.phase.turns)]
        order = derived_seed(settings.seed, stage.name, "order")
        feed = transfer.feed(table, stage.draws, order, 0, 0, 1, self.device)
        log = report.Log(stage, players)
        yield StageStarted(stage.name, 0, stage.steps)
        learning: Player | None = None
        for step in range(1, stage.steps + 1):
            for player in turns:
                if player is not learning:
                    if learning is not None:
                        learning.hold(False)
                    player.hold(True)
                    learning = player
                player.play(feed)
            if step % settings.log_every == 0 or step == stage.steps:
                yield from log.read(step)
        for player in players:
            player.hold(False)
            if player.average is not None:
                player.average.replace()
        yield StageFinished(stage.name, stage.steps, time.perf_counter() - begun)


def seed_noise(seed: int) -> None:
    """Seed torch (every device), Python and, where it is loaded, NumPy."""
    torch.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
