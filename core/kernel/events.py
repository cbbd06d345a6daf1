"""What a run tells the world: a stream of small records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StageStarted:
    """A stage begins, or goes on at ``step`` after an interruption."""

    stage: str
    step: int
    steps: int


@dataclass(frozen=True)
class Progress:
    """The state of a stage, every ``log_every`` steps.

    Args:
        stage: its name.
        step: steps made so far.
        steps: steps to make.
        losses: ``"phase/term"`` -> mean over the finite steps since the last such event.
        steps_per_second: since the last such event.
    """

    stage: str
    step: int
    steps: int
    losses: Mapping[str, float]
    steps_per_second: float


@dataclass(frozen=True)
class Skipped:
    """Steps of a phase were left out since the last log: their gradients were not finite.

    Args:
        stage, step: where the run stood when this was read.
        phase: whose steps.
        count: how many since the last log.
        total: how many in this stage.
        terms: those that were not finite; empty when only the gradients overflowed.
    """

    stage: str
    step: int
    phase: str
    count: int
    total: int
    terms: tuple[str, ...]


@dataclass(frozen=True)
class Saved:
    """The state of the run is on disk."""

    stage: str
    step: int
    path: Path


@dataclass(frozen=True)
class Resumed:
    """The run goes on from a saved state.

    Args:
        path: of that state.
        warning: what was wrong with a newer state that could not be used, else empty.
    """

    stage: str
    step: int
    path: Path
    warning: str = ""


@dataclass(frozen=True)
class StageFinished:
    """A stage came to its end; averages (EMA) have replaced the weights."""

    stage: str
    step: int
    seconds: float


@dataclass(frozen=True)
class Interrupted:
    """A signal ended the run after a whole step; a run with the same folder goes on there."""

    stage: str
    step: int
    signal: str


@dataclass(frozen=True)
class Advice:
    """What the losses and notes say of the training, in plain words (``core.health``)."""

    stage: str
    step: int
    words: str


Event = StageStarted | Progress | Skipped | Saved | Resumed | StageFinished | Interrupted | Advice
