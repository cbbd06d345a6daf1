"""What each experiment learns from: items that belong together, and not a label among them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from transmodal.cookbook.papers.latent_transfer.sets import Set, clips, load
from transmodal.core.records import Items, Records
from transmodal.core.signal import Signal
from transmodal.core.table import Memory

TIMES = 4  # pictures that each spoken clip is paired with
SEVERAL = 300  # items of a class, at most, in quick runs


@lru_cache
def domain_set(domain: str) -> Set:
    """The labelled data of ``digits``, ``garments``, ``rotated`` or ``spoken``, for the judges.

    Raises:
        DataError: the data are not there.
    """
    if domain == "rotated":
        upright = domain_set("digits")
        return replace(upright, train=turned(upright.train), test=turned(upright.test))
    return load({"digits": "mnist", "garments": "fashion_mnist", "spoken": "fsdd"}[domain])


def turned(memory: Memory) -> Memory:
    """The same pictures by 90 degrees against the clock."""
    return replace(memory, signal=Signal(memory.signal.values.rot90(1, (2, 3)).contiguous()))


def pictures(domain: str) -> list[Tensor]:
    """All training pictures, ``[1 28 28]`` each."""
    return list(domain_set(domain).train.signal.values)


def matched(
    first: Tensor, second: Tensor, seed: int, most: int | None = None
) -> tuple[Tensor, Tensor]:
    """Indices ``[k]`` of items that pair one to one within a class, as many of every class.

    Args:
        first, second: labels of two sets.
        seed: of who meets whom.
        most: of a class.
    """
    generator = torch.Generator().manual_seed(seed)
    classes = first.unique().tolist()
    counts = [int((labels == c).sum()) for labels in (first, second) for c in classes]
    n = min(counts) if most is None else min(most, *counts)

    def drawn(labels: Tensor) -> Tensor:
        found = [(labels == c).nonzero()[:, 0] for c in classes]
        return torch.cat([x[torch.randperm(len(x), generator=generator)[:n]] for x in found])

    return drawn(first), drawn(second)


def garments(fraction: float, seed: int, quick: bool = False) -> Records:
    """Digits and garments of one class, one to one; only a fraction of the pairs stays together.

    The sets do not hold every class equally often; of each class as many as of the rarest are
    taken (5,421 of the 60,000), so that at a fraction of 1 every item is paired.
    """
    labels = [domain_set(domain).train.labels for domain in ("digits", "garments")]
    a, b = matched(labels[0], labels[1], seed, SEVERAL if quick else None)
    digits, clothes = pictures("digits"), pictures("garments")
    columns = {
        "digits": [digits[i] for i in a.tolist()],
        "garments": [clothes[i] for i in b.tolist()],
    }
    return Records.from_arrays(columns, paired=True).unpair(fraction, seed=seed)


def rotated(quick: bool = False) -> Records:
    """Every digit beside itself turned."""
    shown = slice(None, 10 * SEVERAL if quick else None)
    columns = {domain: pictures(domain)[shown] for domain in ("digits", "rotated")}
    return Records.from_arrays(columns, paired=True)


def spoken(seed: int, quick: bool = False) -> Records:
    """Every clip beside ``TIMES`` digits of its class; all other digits by themselves."""
    waves, said = clips("train")
    written = domain_set("digits").train.labels
    times = 1 if quick else TIMES
    a, b = matched(written, said.repeat(times), seed, SEVERAL if quick else None)
    alone = torch.ones(len(written), dtype=torch.bool)
    alone[a] = False
    rest = alone.nonzero()[: 10 * SEVERAL if quick else None, 0]
    all_digits = pictures("digits")
    digits = [all_digits[i] for i in torch.cat([a, rest]).tolist()]
    columns = {
        "digits": Items(digits, torch.arange(len(digits))),
        "spoken": Items([waves[i % len(waves)] for i in b.tolist()], torch.arange(len(b))),
    }
    return Records(columns, (None,) * len(digits))
