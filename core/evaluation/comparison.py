"""Comparison: is what was made of an item like the real item of the same record?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..modality import Modality
from ..seeds import derived_seed, seeded
from ..signal import Signal
from ..table import Column, Memory
from .transfer import Translate

BATCH = 256  # items translated at once
Direction = tuple[str, str]  # source, target


@dataclass(frozen=True)
class Comparison:
    """A metric of the target's modality, between what was made and real items.

    Args:
        source, target: names of the domains.
        metric: its name in ``Modality.metrics``, which says whether high or low is good.
        n: records that hold both domains.
        value: of what was made of the sources against the targets of the same records, all n at
            once; None where it is not finite, as the PSNR of equal pictures.
        chance: of the same against the targets of other records; None where there is one
            record, or it is not finite.
    """

    source: str
    target: str
    metric: str
    n: int
    value: float | None
    chance: float | None


class Comparer:
    """Translates, and compares what was made with the real items of the same records.

    What was made in a direction is let go as soon as it is compared.

    Args:
        translate: ``translate(signal, source=..., target=...) -> Signal``.
        modalities: domain -> its Modality.
        columns: domain -> its test items.
        directions: pairs (source, target); ``pairs`` has those that can be compared: between two
            domains that records hold together, into a modality that has metrics.
        seed: of the records that chance compares with.
    """

    def __init__(
        self,
        translate: Translate,
        modalities: Mapping[str, Modality],
        columns: Mapping[str, Memory],
        directions: Sequence[Direction],
        seed: int = 0,
    ) -> None:
        self.translate, self.modalities, self.columns = translate, modalities, columns
        self.seed = seed
        self.pairs: dict[Direction, tuple[Tensor, Tensor]] = {}
        for source, target in directions:
            if source != target and modalities[target].metrics():
                places = together(columns[source], columns[target])
                if len(places[0]):
                    self.pairs[source, target] = places
        self._found: dict[Direction, tuple[Comparison, ...]] = {}
        self._kept: dict[Direction, list[Signal]] = {}
        self._passed: dict[Direction, int] = {}

    def __call__(self, signal: Signal, *, source: str, target: str) -> Signal:
        """Translate one part of ALL the source's items; the parts come in order.

        A direction that was passed whole in this way is not translated again to be compared.
        """
        made = self.translate(signal, source=source, target=target)
        way = source, target
        if way in self.pairs and way not in self._found:
            first = self._passed.get(way, 0)
            last = self._passed[way] = first + len(signal)
            where = self.pairs[way][0]
            here = where[(where >= first) & (where < last)] - first
            self._kept.setdefault(way, []).append(_like_real(made, self._column(target))[here])
            if last == len(self.columns[source]):
                self._found[way] = self._compared(way, Signal.cat(self._kept.pop(way)))
        return made

    def comparisons(self) -> tuple[Comparison, ...]:
        """A comparison for each of ``pairs`` and each metric of its target."""
        for way in self.pairs:
            if way not in self._found:
                self._found[way] = self._compared(way, self._made(way))
        return tuple(one for way in self.pairs for one in self._found[way])

    def _column(self, domain: str) -> Signal:
        return self.columns[domain].signal

    def _made(self, way: Direction) -> Signal:
        """What is made of the sources of records that hold both, and of no others."""
        source, target = way
        parts = []
        for where in self.pairs[way][0].split(BATCH):
            made = self.translate(self.columns[source].take(where), source=source, target=target)
            parts.append(_like_real(made, self._column(target)))
        return Signal.cat(parts)

    def _compared(self, way: Direction, made: Signal) -> tuple[Comparison, ...]:
        source, target = way
        real = self.columns[target].take(self.pairs[way][1])
        n = len(real)
        found = []
        # metrics may draw numbers; translations still to come draw theirs as if there were none
        with seeded(derived_seed(self.seed, "comparison", source, target)):
            other = real[another(n)] if n > 1 else None
            for name, metric in self.modalities[target].metrics().items():
                value = _finite(metric(made, real))
                chance = None if other is None else _finite(metric(made, other))
                found.append(Comparison(source, target, name, n, value, chance))
        return tuple(found)


def together(first: Column, second: Column) -> tuple[Tensor, Tensor]:
    """Places ``[n]`` in two columns of items that share a row, in the order of the first."""
    there = {row: place for place, row in enumerate(second.rows.tolist())}
    places = [(i, there[row]) for i, row in enumerate(first.rows.tolist()) if row in there]
    ours, theirs = torch.tensor(places, dtype=torch.long).view(-1, 2).unbind(1)
    return ours, theirs


def another(n: int) -> Tensor:
    """``[n]``: for each place a place that is not its own, each of them once; n is 2 or more.

    Drawn by torch's generator of the CPU.
    """
    circle = torch.randperm(n)
    found = torch.empty_like(circle)
    found[circle] = circle.roll(1)
    return found


def _like_real(made: Signal, real: Signal) -> Signal:
    """What was made in the form of real items, in which all metrics read it.

    Of log-probabilities ``[b t v]`` over units the likeliest unit ``[b t]``: v times less to keep.
    """
    values = made.values
    if values.is_floating_point() and not real.values.is_floating_point():
        values = values.argmax(-1)
    return Signal(values, made.lengths)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
