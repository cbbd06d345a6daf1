"""Mean average precision of every method in every direction, query by query."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from transmodal.cookbook.papers.cm_gans.baselines import Embed, Learned
from transmodal.cookbook.papers.cm_gans.sets import Set
from transmodal.core.atomic import write_atomically
from transmodal.core.errors import CheckpointError, SettingError
from transmodal.core.evaluation import retrieval
from transmodal.core.evaluation.ranking import Ranking
from transmodal.core.evaluation.retrieval import Interval, evaluate_retrieval

T = TypeVar("T")
Precisions = dict[str, NDArray[Any]]  # direction -> average precision of each query

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


def precisions(found: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> Precisions:
    """Average precisions of each query, in the four directions of two domains."""
    made = evaluate_retrieval(found, truth)
    return {way: direction.ranking.average_precision() for way, direction in made.items()}


def chance(truth: Mapping[str, Tensor]) -> dict[str, float]:
    """What a random order reaches in each direction, on average."""
    made = evaluate_retrieval({d: torch.ones(len(y), 1) for d, y in truth.items()}, truth)
    return {way: direction.chance for way, direction in made.items()}


def between(found: Mapping[str, T]) -> dict[str, T]:
    """The bi-modal directions only."""
    return {way: value for way, value in found.items() if not way.endswith("all")}


def bimodal(found: Mapping[str, Any]) -> float:
    """The average of both bi-modal directions."""
    return float(np.mean([np.mean(v) for v in between(found).values()]))


def between_map(found: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> float:
    """What ``bimodal`` says of ``precisions``, without the all-modal directions."""
    ways = [(a, b) for a in found for b in found if a != b]
    each = [Ranking.by_cosine(found[a], found[b], truth[a], truth[b]) for a, b in ways]
    return float(np.mean([ranking.average_precision().mean() for ranking in each]))


def save(path: Path, found: Precisions, by: str) -> None:
    """Keep average precisions, query by query, and the settings ``by`` which they were reached."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {way.replace("->", "_to_"): v for way, v in found.items()}
    np.savez(buffer, **arrays, by=np.array(by))
    write_atomically(path, buffer.getvalue())


def read(path: Path, by: str) -> Precisions:
    """What ``save`` kept.

    Args:
        path: the file.
        by: the settings wanted; any where the file, of an earlier recipe, does not say.

    Raises:
        CheckpointError: the file is damaged.
        SettingError: it is of other settings.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {way.replace("_to_", "->"): arrays[way] for way in arrays.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise CheckpointError(f"{path} is damaged ({error}); delete it and run again") from error
    kept = found.pop("by", None)
    if kept is not None and str(kept) != by:
        raise SettingError(
            f"{path} was measured by {kept}, and it is {by} now; delete it to measure again, or "
            "give another folder by --out"
        )
    return found


def difference(ours: Precisions, other: Precisions) -> Interval:
    """By how much the average bi-modal MAP is ahead, with its interval over paired queries."""
    return retrieval.difference(between(ours), between(other))
