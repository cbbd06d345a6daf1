"""Mean average precision of every method in every direction, query by query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from transmodal.cookbook.papers.cm_gans.baselines import Embed, Learned
from transmodal.cookbook.papers.cm_gans.sets import Set

Precisions = dict[str, Tensor]  # direction -> average precision of each query

FORMS = ("plain", "centred", "standardised")


@dataclass(frozen=True)
class Reading:
    """How a method's vectors are compared by their cosine.

    Args:
        semantic: its probabilities of classes, instead of its common vectors.
        form: as they are, or less the training items' mean, or also over their deviation (as
            the authors' own evaluation does by the test items').
    """

    semantic: bool = False
    form: str = "plain"


def vectors(learned: Learned, data: Set, reading: Reading) -> dict[str, Tensor]:
    """The test items of each domain as vectors to compare."""
    maps = learned.semantic if reading.semantic else learned.common
    return {d: _read(maps[d], data, d, reading.form) for d in data.test}


def _read(embed: Embed, data: Set, domain: str, form: str) -> Tensor:
    found = embed(data.scaled(domain, data.test[domain])).double()
    if form == "plain":
        return found
    seen = embed(data.scaled(domain, data.raw[domain])).double()
    found = found - seen.mean(0)
    return found / seen.std(0).clamp(min=1e-9) if form == "standardised" else found


def average_precision(
    queries: Tensor, items: Tensor, asked: Tensor, labels: Tensor, first: int | None = None
) -> Tensor:
    """Average precision over all items ``[q]``, by the cosine (CM-GANs Eq. 11).

    Args:
        queries, items: ``[q d]`` and ``[m d]``.
        asked, labels: their classes.
        first: where the queries stand among the items, if they do: each is left out of its own
            ranking.
    """
    near = F.normalize(queries.double(), dim=1) @ F.normalize(items.double(), dim=1).T
    relevant = (labels == asked[:, None]).double()
    if first is not None:
        own = torch.arange(len(queries)), torch.arange(len(queries)) + first
        near[own], relevant[own] = -torch.inf, 0
    hits = relevant.gather(1, near.argsort(dim=1, descending=True, stable=True))
    precision = hits.cumsum(1) / torch.arange(1, hits.shape[1] + 1)
    return (precision * hits).sum(1) / hits.sum(1).clamp(min=1)


def precisions(found: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> Precisions:
    """Average precisions in the four directions of two domains."""
    everything, classes = torch.cat(list(found.values())), torch.cat(list(truth.values()))
    made, first = {}, 0
    for d, x in found.items():
        for e in found:
            if e != d:
                made[f"{d}->{e}"] = average_precision(x, found[e], truth[d], truth[e])
        made[f"{d}->all"] = average_precision(x, everything, truth[d], classes, first)
        first += len(x)
    return made


def bimodal(found: Mapping[str, Any]) -> float:
    """The average of both bi-modal directions."""
    both = [float(np.mean(np.asarray(v))) for k, v in found.items() if not k.endswith("all")]
    return sum(both) / len(both)


def chance(truth: Mapping[str, Tensor], draws: int = 5) -> dict[str, float]:
    """What random vectors reach in each direction."""
    generator = torch.Generator().manual_seed(0)
    total: dict[str, float] = {}
    for _ in range(draws):
        found = {d: torch.randn(len(y), 8, generator=generator) for d, y in truth.items()}
        for key, value in precisions(found, truth).items():
            total[key] = total.get(key, 0.0) + float(value.mean()) / draws
    return total


def save(path: Path, found: Precisions) -> None:
    """Keep average precisions, query by query."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{k.replace("->", "_to_"): v.numpy() for k, v in found.items()})


def read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """What ``save`` kept."""
    with np.load(path, allow_pickle=False) as arrays:
        return {k.replace("_to_", "->"): arrays[k] for k in arrays.files}


def difference(
    ours: Mapping[str, np.ndarray[Any, Any]], other: Mapping[str, np.ndarray[Any, Any]]
) -> tuple[float, float, float]:
    """By how much the average bi-modal MAP differs: the mean, and a 95 % interval.

    The interval is by bootstrap over the queries of both directions, paired: 2,000 draws.

    Args:
        ours, other: direction -> average precisions, each the mean over the seeds.
    """
    generator = np.random.default_rng(0)
    draws = np.zeros(2000)
    keys = [k for k in ours if not k.endswith("all")]
    for key in keys:
        gap = ours[key] - other[key]
        picked = generator.integers(0, len(gap), (len(draws), len(gap)))
        draws += gap[picked].mean(1) / len(keys)
    mean = float(np.mean([(ours[k] - other[k]).mean() for k in keys]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return mean, float(low), float(high)
