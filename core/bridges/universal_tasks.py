"""Tasks of universal attention: pairs of domains, and what was made for each in a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..code import Code
from ..errors import SettingError
from ..modality import Modality
from ..signal import Signal
from ..stage import UNLABELLED


class Task(NamedTuple):
    """A source and a target, both names of domains."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}->{self.target}"

    @classmethod
    def of(cls, pair: Sequence[str]) -> Task:
        """A pair as it stands in settings.

        Raises:
            SettingError: it is no pair of names.
        """
        listed = isinstance(pair, Sequence) and not isinstance(pair, str)
        if not listed or len(pair) != 2 or not all(isinstance(d, str) for d in pair):
            raise SettingError(
                f"universal-attention: a task is a pair (source, target) of domains, not {pair!r}"
            )
        return cls(*pair)


def planned(pairs: Sequence[Sequence[str]] | None, domains: Sequence[str]) -> list[Task]:
    """The tasks that settings name, or every ordered pair of domains where they name none.

    Raises:
        SettingError: there is no task, one stands twice, or something is no pair of names.
    """
    if pairs is None:
        if len(domains) < 2:
            raise SettingError("universal-attention joins two domains or more, or names its tasks")
        return [Task(s, t) for s in domains for t in domains if s != t]
    plan = [Task.of(pair) for pair in pairs]
    if not plan:
        raise SettingError(
            "universal-attention: tasks is empty; name pairs (source, target), or leave tasks out "
            "for every ordered pair of domains"
        )
    for task, times in Counter(plan).items():
        if times > 1:
            raise SettingError(
                f"universal-attention: tasks names {task} {times} times; once is due"
            )
    return plan


@dataclass(frozen=True)
class Translated:
    """What a task made in one step.

    Args:
        code: of the sources.
        real: the targets.
        encoded: made in the style of a reference; with a style, ``mean`` and ``std`` are of its
            embedding's posterior, ``[b l]``.
        sampled: made of the same sources in a style of r ~ N(0, I); None where nothing asks.
        r: of ``sampled``, ``[b l]``.
        styles: z ``[b z]`` of ``encoded`` and, where there is one, of ``sampled``.
    """

    code: Code
    real: Signal
    encoded: Signal
    mean: Tensor | None = None
    std: Tensor | None = None
    sampled: Signal | None = None
    r: Tensor | None = None
    styles: tuple[Tensor, ...] = ()


Made = Mapping[Task, Translated]


def owners(domains: Mapping[str, Modality]) -> dict[str, str]:
    """Domain -> the first domain that has the same Modality object, whose subnets it shares."""
    first: dict[int, str] = {}
    return {d: first.setdefault(id(m), d) for d, m in domains.items()}


def check_company(batch: int, classes: int) -> None:
    """Refuse a batch in which a label may occur once, so that nobody lends it a style.

    Raises:
        SettingError: the batch is below two items a label.
    """
    if batch < 2 * classes:
        raise SettingError(
            f"universal-attention: reference='label' takes an item's style from another of its "
            f"label in the batch, and batch={batch} has no two of each of {classes} labels; set "
            f"batch to {2 * classes} or more, or take reference='target'"
        )


def of_same_label(labels: Tensor, rows: Tensor) -> Tensor:
    """``[b]``: for each item the place of another of its label; its own where there is none.

    Args:
        labels: ``[b]`` class indices, negative where unknown.
        rows: ``[b]`` row numbers: where there are few, a batch holds an item more than once, and
            it is no other item than itself.
    """
    own = torch.arange(len(labels), device=labels.device)
    rows = rows.to(labels.device)
    alike = (labels[:, None] == labels) & (labels != UNLABELLED) & (rows[:, None] != rows)
    drawn = torch.rand(alike.shape, device=labels.device).masked_fill(~alike, -1.0).max(1)
    return torch.where(drawn.values >= 0, drawn.indices, own)
