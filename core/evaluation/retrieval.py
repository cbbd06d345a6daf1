"""Retrieval across domains, measured: mean average precision in every direction.

Bi-modal: queries of one domain, items of another. All-modal: items of all domains, without the
query itself. Relevant is what has the query's class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config import check_choice, check_number
from ..errors import DataError
from .ranking import Ranking

Form = Literal["plain", "standardised"]
RESAMPLED = 2**24  # numbers drawn at a time


@dataclass(frozen=True)
class Direction:
    """Queries of one domain against items of another, or of all.

    Args:
        ranking: where the relevant items stand.
        asked: ``[q]``, classes of the queries.
    """

    ranking: Ranking
    asked: Tensor

    @property
    def map(self) -> float:
        """Mean average precision over all results."""
        return float(self.ranking.average_precision().mean())

    @property
    def chance(self) -> float:
        """What a random order reaches, on average."""
        return float(self.ranking.chance().mean())

    def interval(self, *, level: float = 0.95, draws: int = 2000, seed: int = 0) -> Interval:
        """MAP with its bootstrap interval over queries."""
        return interval(self.ranking.average_precision(), level=level, draws=draws, seed=seed)

    def per_class(self, classes: Sequence[str]) -> dict[str, tuple[int, float, float]]:
        """Class -> number of queries, MAP, chance; classes that nobody asked for are left out."""
        precision, chance = self.ranking.average_precision(), self.ranking.chance()
        asked = self.asked.numpy()
        return {
            name: (int(mine.sum()), float(precision[mine].mean()), float(chance[mine].mean()))
            for i, name in enumerate(classes)
            if (mine := asked == i).any()
        }


@dataclass(frozen=True)
class Interval:
    """A mean and where it lies."""

    mean: float
    low: float
    high: float


def evaluate_retrieval(
    found: Mapping[str, Tensor], labels: Mapping[str, Tensor], form: Form = "plain"
) -> dict[str, Direction]:
    """Every direction: ``"a->b"`` for two domains, ``"a->all"`` for one against all.

    Args:
        found: domain -> vectors ``[n d]`` of its test items.
        labels: domain -> their classes ``[n]``.
        form: ``"plain"`` compares by the cosine (as DSCMR does). ``"standardised"`` first brings
            every number of a domain's vectors to mean 0 and deviation 1 over its items (as the
            evaluation of the CM-GANs group does); a number that never varies becomes 0.

    Raises:
        DataError: domains or items without labels; vectors or labels that do not fit.
    """
    check_choice("evaluate_retrieval", "form", form, ("plain", "standardised"))
    for domain, classes in labels.items():
        if bool((classes < 0).any()):
            raise DataError(f"{domain} has items without a class; leave them out")
    if set(found) != set(labels):
        raise DataError(f"vectors are of {', '.join(found)}, labels of {', '.join(labels)}")
    if form == "standardised":
        found = {domain: _standardised(vectors) for domain, vectors in found.items()}
    everything = torch.cat([found[domain] for domain in found])
    classes = torch.cat([labels[domain] for domain in found])
    made, first = {}, 0
    for domain, vectors in found.items():
        asked = labels[domain]
        for other in found:
            if other != domain:
                ranking = Ranking.by_cosine(vectors, found[other], asked, labels[other])
                made[f"{domain}->{other}"] = Direction(ranking, asked)
        own = torch.arange(first, first + len(vectors))
        ranking = Ranking.by_cosine(vectors, everything, asked, classes, own)
        made[f"{domain}->all"] = Direction(ranking, asked)
        first += len(vectors)
    return made


def interval(
    *parts: NDArray[Any], level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval:
    """The mean of values, and the interval that holds that share of the means of resamples.

    Percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, ch. 13). For
    queries, it says how figures vary with the choice of queries, not of training. Of several
    parts it is the mean of their means, each resampled by itself.

    Args:
        parts: ``[q]``, of the queries; of several directions, ``[q]`` of each.
        level: of confidence, within (0, 1).
        draws: resamples.
        seed: of the draws.

    Raises:
        DataError: no values.
        SettingError: a level or number of draws out of range.
    """
    check_number("interval", "level", level, 0, 1)
    check_number("interval", "draws", draws, 1, integer=True)
    if not parts or not all(map(len, parts)):
        raise DataError("an interval needs values, and there are none")
    generator = np.random.default_rng(seed)
    means = np.mean([_resampled(values, draws, generator) for values in parts], 0)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean([values.mean() for values in parts])), float(low), float(high))


def difference(
    ours: Mapping[str, NDArray[Any]], theirs: Mapping[str, NDArray[Any]], **settings: Any
) -> Interval:
    """By how much one method is ahead of another on the same queries, with its interval.

    Args:
        ours, theirs: direction -> ``[q]``, of the same queries in the same order; all
            directions weigh alike.
        settings: of ``interval``. Resamples are of queries, for both methods at once.

    Raises:
        DataError: other directions, or not as many queries, of one as of the other.
    """
    counts = [{way: len(values) for way, values in each.items()} for each in (ours, theirs)]
    if counts[0] != counts[1]:
        raise DataError(f"{counts[0]} values and {counts[1]} are not of the same queries")
    return interval(*[ours[way] - theirs[way] for way in ours], **settings)


def _resampled(values: NDArray[Any], draws: int, generator: np.random.Generator) -> NDArray[Any]:
    """``[draws]``: means of as many values, drawn with replacement."""
    means = []
    step = max(1, RESAMPLED // len(values))
    for i in range(0, draws, step):
        rows = generator.integers(0, len(values), (min(step, draws - i), len(values)))
        means.append(values[rows].mean(1))
    return np.concatenate(means)


def _standardised(vectors: Tensor) -> Tensor:
    long = vectors.double()
    constant = long.amax(0) == long.amin(0)  # rounding may leave it a deviation
    centred = (long - long.mean(0)).masked_fill(constant, 0)
    return centred / long.std(0, correction=0).masked_fill(constant, 1)
