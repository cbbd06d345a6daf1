"""Digits beside what an operator makes of other digits: data without pairs, trained couples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from transmodal.cookbook.papers.latent_transfer.sets import cut, load
from transmodal.cookbook.work import Work, trained
from transmodal.core.bridges.weight_tying import WeightTying
from transmodal.core.seeds import derived_seed
from transmodal.core.signal import Signal
from transmodal.core.stage import UNLABELLED
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator
from transmodal.plugins.image.modality import Image

DIGITS = "digits"


@dataclass(frozen=True)
class Task:
    """A second domain, made of digits.

    Args:
        name: of the second domain.
        operator: digits ``[b 1 28 28]`` to its pictures.
        foreground: which of its pixels are ink.
        steps: of the game.
        lead: share of them in which the digits lead. With an eighth, one seed of two had
            drawn no digits yet when its edges set out on their own.
        back: from its pictures to digits a judge can read; None where there is no way.
    """

    name: str
    operator: Callable[[Tensor], Tensor]
    foreground: Literal["bright", "dark"]
    steps: int
    lead: float
    back: Callable[[Tensor], Tensor] | None = None


def edges(x: Tensor) -> Tensor:
    """The pictures dilated by 3 x 3 pixels, less themselves: their outer edges."""
    return F.max_pool2d(x, 3, 1, 1) - x


def negatives(x: Tensor) -> Tensor:
    """Black for white."""
    return 1 - x


def turned(x: Tensor) -> Tensor:
    """A quarter turn, against the clock."""
    return x.rot90(1, (2, 3))


def turned_back(x: Tensor) -> Tensor:
    """A quarter turn, with the clock."""
    return x.rot90(-1, (2, 3))


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task("edges", edges, "bright", 2400, 0.25),
        Task("negatives", negatives, "dark", 800, 0.5, negatives),
        Task("rotation", turned, "bright", 800, 0.5, turned_back),
    )
}


def halves(task: Task, pictures: Tensor, seed: int) -> Table:
    """Half of the pictures as digits, the operator's work on the other half: no two belong."""
    generator = torch.Generator().manual_seed(derived_seed("halves", seed))
    first, second = torch.randperm(len(pictures), generator=generator).chunk(2)

    def column(items: Tensor, rows: Tensor) -> Memory:
        return Memory(Signal(items), torch.full((len(items),), UNLABELLED), rows)

    return Table(
        {
            DIGITS: column(pictures[first], first),
            task.name: column(task.operator(pictures[second]), second),
        }
    )


def couple(
    work: Work, task: Task, seed: int, tag: str = "", waist: int = 1, **settings: Any
) -> Translator:
    """The trained couple of that task, seed and tag, out of the work folder or trained now.

    Args:
        work: where it is kept.
        task: the second domain.
        seed: of the halves, the weights, the order and the noise.
        tag: sets trainings with other settings apart.
        waist: of the domains' generators, see ``Image``.
        settings: of ``WeightTying``, beside the steps.

    Raises:
        SettingError: the one in the folder has other settings.
    """
    settings = {"steps": task.steps, "lead": task.lead, "inverse_steps": 0, **settings}
    if work.quick:
        settings |= {"steps": 240, "batch": 24, "ema": 0.95}

    def make() -> Translator:
        domains = {d: Image(waist=waist) for d in (DIGITS, task.name)}
        return Translator(domains, WeightTying(**settings))

    def table() -> Table:
        return halves(task, cut(load("mnist"), work.quick).train.signal.values, seed)

    return trained(work, f"{task.name}{tag}", seed, make, table)
