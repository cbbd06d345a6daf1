"""Keeper: when a run is saved, and when it ends early."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import CheckpointError
from ..stage import Stage
from . import noise, state
from .checkpoint import Folder, State
from .distributed import World
from .events import Event, Saved
from .interrupt import Interrupt
from .phases import Player
from .settings import Training


class Keeper:
    """Saves a run from time to time and at the ends of stages, if it has a folder.

    Args:
        model: to save.
        identity: see ``state.fingerprint``.
        settings: of the run.
        world: its processes; the first one writes.
        interrupt: signals.

    Raises:
        CheckpointError: the folder cannot be made.
    """

    def __init__(
        self,
        model: nn.Module,
        identity: dict[str, Any],
        settings: Training,
        world: World,
        interrupt: Interrupt,
    ) -> None:
        self.model, self.settings, self.world, self.interrupt = model, settings, world, interrupt
        self.folder = None
        if settings.checkpoint is not None:
            self.folder = Folder(settings.checkpoint, identity)
        self.clock = time.monotonic()
        self.signal = ""  # that ends the run, once all processes know of it

    def load(self) -> State | None:
        """The state to go on from, None to begin.

        Raises:
            CheckpointError: see ``Folder.load``; processes find different states.
        """
        if self.folder is None:
            return None
        if self.world.rank == 0:
            self.folder.clean()
        self.world.gather("clean")  # nobody reads before that
        state = self.folder.load()
        name = None if state is None else state.path.name
        found = self.world.gather([name, None if state is None else state.facts["sha256"]])
        if any(other != found[0] for other in found):
            names = ", ".join(str(name) for name, _ in found)
            raise CheckpointError(
                f"the processes of this training find different states in {self.folder.path}: "
                f"{names}; give all of them one folder that they share"
            )
        return state

    def due(self, step: int, steps: int) -> bool:
        """Whether to save after this step of so many; notes the signal that ends the run here."""
        late = time.monotonic() - self.clock >= self.settings.save_every
        signal = self.interrupt.name
        if self.world.size > 1:
            # All processes must stop at one step, and agreeing on it at every one costs too much.
            if step % self.settings.log_every and step < steps:
                return False
            told = self.world.gather([late, signal])
            late, signal = told[0][0], next((name for _, name in told if name), "")
        self.signal = signal
        return self.folder is not None and (late or bool(signal)) and step < steps

    def save(self, index: int, name: str, step: int, players: Sequence[Player]) -> Iterator[Event]:
        """Save the run as it is after ``step`` of the stage at ``index``.

        Raises:
            CheckpointError: it cannot be written.
        """
        path = self._write(index, step, players)
        if path is not None:
            yield Saved(name, step, path)

    def save_end(self, index: int, stage: Stage) -> Iterator[Event]:
        """Save the run as it is between the stage at ``index`` and the next.

        Raises:
            CheckpointError: it cannot be written.
        """
        path = self._write(index + 1, 0, [])
        if path is not None:
            yield Saved(stage.name, stage.steps, path)

    def _write(self, index: int, step: int, players: Sequence[Player]) -> Path | None:
        if self.folder is None:
            return None
        noises = self.world.gather(noise.capture())
        self.clock = time.monotonic()
        if self.world.rank:
            return None
        facts = {
            "stage": index,
            "step": step,
            "phases": state.facts_of(players),
            "noise": noises,
            "torch": torch.__version__,
        }
        return self.folder.save(state.tensors_of(self.model, players), facts)
