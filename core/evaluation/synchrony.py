"""Synchronous rate: do joint samples of two domains show the same class?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ..errors import DataError
from ..stage import UNLABELLED
from ..table import Column
from ..translator import Translator
from .frechet import frechet_floor, frechet_or_none
from .sampling import Sampler, joint_samples
from .transfer import Reader, wilson


@dataclass(frozen=True)
class Pair:
    """How often the judges of two domains read the same class in joint samples.

    Args:
        first, second: names of the domains.
        n: joint samples.
        rate: share read as one class by both judges, the synchronous rate.
        interval: Wilson 95 % interval of ``rate``.
        chance: ``sum_c p_c q_c`` of the two domains' shares of predicted classes: the rate of
            the same samples paired at random. It is 1 where both have collapsed to one class.
        uniform: 1 / classes, ``chance`` where the classes are balanced.
    """

    first: str
    second: str
    n: int
    rate: float
    interval: tuple[float, float]
    chance: float
    uniform: float


@dataclass(frozen=True)
class Spread:
    """What a domain's judge read in its samples, whatever the other domains showed.

    Args:
        domain: its name.
        counts: ``[classes]`` samples read as each class.
        entropy: of ``counts`` as a fraction of ln(classes), in [0, 1]; 1 when balanced.
        accuracy: of the judge on the real labelled items, which caps the rate; None without.
        frechet: classifier-FID of the samples against the real items; None where there are none
            or too few.
        frechet_floor: the same between two halves of the real items.
    """

    domain: str
    counts: list[int]
    entropy: float
    accuracy: float | None
    frechet: float | None
    frechet_floor: float | None


@dataclass(frozen=True)
class Synchrony:
    """The synchronous rate of all pairs of domains, over the same joint samples.

    Args:
        classes: names, in order.
        n: joint samples.
        seed: they were drawn with.
        pairs: one for each two domains.
        spreads: one for each domain.
    """

    classes: tuple[str, ...]
    n: int
    seed: int
    pairs: tuple[Pair, ...]
    spreads: tuple[Spread, ...]

    def between(self, first: str, second: str) -> Pair:
        """The pair of these two domains, in either order.

        Raises:
            DataError: that pair was not evaluated; names those that were.
        """
        for pair in self.pairs:
            if {pair.first, pair.second} == {first, second}:
                return pair
        known = ", ".join(f"{p.first} & {p.second}" for p in self.pairs)
        raise DataError(f"no synchrony of {first} & {second} was evaluated, only {known}")

    def spread(self, domain: str) -> Spread:
        """The spread of a domain.

        Raises:
            DataError: the domain was not evaluated; names those that were.
        """
        for spread in self.spreads:
            if spread.domain == domain:
                return spread
        known = ", ".join(s.domain for s in self.spreads)
        raise DataError(f"no samples of {domain} were evaluated, only of {known}")

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        pairs = [{**asdict(pair), "interval": list(pair.interval)} for pair in self.pairs]
        return {
            "classes": list(self.classes),
            "n": self.n,
            "seed": self.seed,
            "pairs": pairs,
            "spreads": [asdict(spread) for spread in self.spreads],
        }


def evaluate_synchrony(
    model: Sampler | Translator,
    judges: Mapping[str, Reader],
    classes: Sequence[str],
    *,
    n: int = 10_000,
    seed: int = 0,
    real: Mapping[str, Column] | None = None,
    batch: int = 500,
) -> Synchrony:
    """Draw joint samples of the judged domains and let the judges read them.

    A rate alone says little: a bridge that makes one pair of classes only has a rate of 1.
    Read it beside ``chance``, the entropies and the Fréchet distances.

    Args:
        model: a translator, or its bridge, that has a prior.
        judges: domain -> a classifier trained on real items of that domain, two or more.
        classes: names of the classes, one list for all domains.
        n: joint samples.
        seed: of the samples.
        real: domain -> real test items, for the judges' own accuracy and the Fréchet distances;
            domains may be missing.
        batch: samples made and read at once.

    Raises:
        DataError: fewer than two judges or classes, a judge that knows more classes, real items
            of a domain without a judge, samples that are not finite.
        UnsupportedError: the bridge has no prior.

    Source: Chen, Chen & Hu 2018, "SyncGAN", sec. 3.4, of the rate; the rest
    is ours.
    """
    real = real or {}
    _check(judges, classes, real)
    parts: dict[str, list[Tensor]] = {domain: [] for domain in judges}
    for piece in joint_samples(model, n, list(judges), seed=seed, batch=batch):
        for domain, signal in piece.items():
            parts[domain].append(judges[domain].features(signal))
    made = {domain: torch.cat(features) for domain, features in parts.items()}
    read = {domain: judges[domain].decide(features) for domain, features in made.items()}
    spreads = []
    for domain, judge in judges.items():
        there = real.get(domain)
        counts = _counts(read[domain], domain, len(classes))
        if there is None:
            spreads.append(Spread(domain, counts, entropy(counts), None, None, None))
            continue
        items = (there.take(index) for index in torch.arange(len(there)).split(batch))
        features = torch.cat([judge.features(part) for part in items])
        known = there.labels != UNLABELLED
        right = (judge.decide(features) == there.labels)[known].double()
        spreads.append(
            Spread(
                domain,
                counts,
                entropy(counts),
                accuracy=float(right.mean()) if len(right) else None,
                frechet=frechet_or_none(made[domain], features),
                frechet_floor=frechet_floor(features),
            )
        )
    pairs = [
        count_pair(first, second, read[first], read[second], len(classes))
        for first, second in combinations(judges, 2)
    ]
    return Synchrony(tuple(classes), n, seed, tuple(pairs), tuple(spreads))


def count_pair(first: str, second: str, one: Tensor, other: Tensor, classes: int) -> Pair:
    """The counts of one pair from its labels.

    Args:
        first, second: names of the domains.
        one, other: ``[n]`` what their judges read in the same joint samples.
        classes: how many classes there are.
    """
    n, agreed = len(one), int((one == other).sum())
    p, q = (torch.bincount(read, minlength=classes).double() / n for read in (one, other))
    return Pair(
        first,
        second,
        n,
        rate=agreed / n,
        interval=wilson(agreed, n),
        chance=float(p @ q),
        uniform=1 / classes,
    )


def entropy(counts: Sequence[int]) -> float:
    """Entropy of counts as a fraction of its largest value: 0 for one class, 1 for equal counts.

    Args:
        counts: of two classes or more, not all 0.
    """
    total = sum(counts)
    nats = sum(c / total * math.log(total / c) for c in counts if c)
    return nats / math.log(len(counts))


def _counts(read: Tensor, domain: str, classes: int) -> list[int]:
    if int(read.max()) >= classes:
        raise DataError(
            f"the judge of {domain!r} reads class {int(read.max())}, but {classes} classes are "
            f"numbered 0 to {classes - 1}; give the classes it was trained on"
        )
    counts: list[int] = torch.bincount(read, minlength=classes).tolist()
    return counts


def _check(
    judges: Mapping[str, Reader], classes: Sequence[str], real: Mapping[str, Column]
) -> None:
    if len(judges) < 2 or len(classes) < 2:
        raise DataError(
            f"synchrony is of two or more domains and classes, not of {len(judges)} judged "
            f"domains and {len(classes)} classes"
        )
    strange = [domain for domain in real if domain not in judges]
    if strange:
        raise DataError(
            f"real items of {', '.join(strange)} have no judge; judges are given for "
            f"{', '.join(judges)}"
        )
