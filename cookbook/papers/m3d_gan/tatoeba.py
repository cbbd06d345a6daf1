"""English and French sentences of the Tatoeba project, parted so that no sentence is on both sides.

An English sentence has several French ones and the other way round, so pairs are parted by
what is linked, however remotely, by an equal sentence (case, accents kept, and signs apart).
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from transmodal.cookbook.papers.latent_transfer.sets import root
from transmodal.core.errors import DataError

HELD = 1000  # groups of pairs for tests, and as many for choices
SIGNS = re.compile(r"[\W_]+")
LONGEST = 10  # words of a training sentence


@dataclass(frozen=True)
class Pairs:
    """English sentences and, at the same place, French ones."""

    english: Sequence[str]
    french: Sequence[str]

    def __len__(self) -> int:
        return len(self.english)


def load() -> tuple[Pairs, Pairs, Pairs]:
    """Pairs for training, for choices and for tests.

    The held-out parts keep one pair of each group, so that no sentence stands there twice.

    Raises:
        DataError: the data are not there.
    """
    path = root() / "tatoeba_en_fr" / "eng-fra.tsv.gz"
    if not path.is_file():
        raise DataError(f"no such data set: {path}")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [row[:2] for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    groups = _groups(rows)
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(0)).tolist()
    held = [[groups[i][0]] for i in order[: 2 * HELD]]
    rest = [row for i in order[2 * HELD :] for row in groups[i]]
    short = [row for row in rest if max(len(text.split()) for text in rows[row]) <= LONGEST]

    def some(chosen: Sequence[int]) -> Pairs:
        return Pairs([rows[i][0] for i in chosen], [rows[i][1] for i in chosen])

    test, choices = held[:HELD], held[HELD:]
    return (
        some(short),
        some([row for group in choices for row in group]),
        some([row for group in test for row in group]),
    )


def plain(text: str) -> str:
    """Letters and digits in lower case, for telling equal sentences."""
    return SIGNS.sub(" ", text.lower()).strip()


def _groups(rows: Sequence[Sequence[str]]) -> list[list[int]]:
    """Rows linked by equal sentences, in the order of their first."""
    parent: dict[tuple[int, str], tuple[int, str]] = {}

    def top(key: tuple[int, str]) -> tuple[int, str]:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for row in rows:
        ends = [top((side, plain(text))) for side, text in enumerate(row)]
        parent[ends[0]] = ends[1]
    groups: dict[tuple[int, str], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(top((0, plain(row[0]))), []).append(i)
    return list(groups.values())
