"""What a search found."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, overload

from torch import Tensor

from .segment import Segment


@dataclass(frozen=True)
class Hit:
    """An item that was found.

    Args:
        id: its own.
        domain: its own.
        score: cosine of its vector and the query's, in [-1, 1].
        label: its class, if it has one.
        metadata: what JSON can hold, as it was added; None without any.
    """

    id: str
    domain: str
    score: float
    label: str | None
    metadata: Any


class Answers(Sequence[list[Hit]]):
    """Hits of each query, the nearest first; ``answers[i]`` are those of query i.

    Args:
        scores: ``[b k]`` cosines.
        rows: ``[b k]``, counted through the segments.
        segments: that were searched.
    """

    def __init__(self, scores: Tensor, rows: Tensor, segments: Sequence[Segment]) -> None:
        self.scores, self.rows = scores, rows
        self._segments = segments
        self._starts = [0, *accumulate(len(segment) for segment in segments)]

    def __len__(self) -> int:
        return len(self.scores)

    @overload
    def __getitem__(self, i: int) -> list[Hit]: ...
    @overload
    def __getitem__(self, i: slice) -> list[list[Hit]]: ...
    def __getitem__(self, i: int | slice) -> list[Hit] | list[list[Hit]]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        pairs = zip(self.scores[i].tolist(), self.rows[i].tolist(), strict=True)
        return [self._hit(score, row) for score, row in pairs if row >= 0]

    def __iter__(self) -> Iterator[list[Hit]]:
        return (self[i] for i in range(len(self)))

    def _hit(self, score: float, row: int) -> Hit:
        place = bisect_right(self._starts, row) - 1
        segment, i = self._segments[place], row - self._starts[place]
        return Hit(segment.ids[i], segment.domain, score, segment.label(i), segment.note(i))
