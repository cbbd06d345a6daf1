"""The k nearest rows, exactly: eight-bit products rule out most, float64 decides on the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from .codes import BLOCK, Codes, Guess

QUERIES = 256  # at a time
PRODUCTS = 2**22  # eight-bit products at a time: 16 MiB, which stay in the cache
SLAB = 2**17  # numbers multiplied at a time in float64
MANY = 1 / 8  # with a greater share of candidates, comparing all is faster
WAITING = 2**20  # candidates kept until the bar is high
NOWHERE = -torch.inf


def nearest(queries: Tensor, parts: Iterable[tuple[Tensor, Codes]], k: int) -> tuple[Tensor, ...]:
    """Scores and rows, ``[b k]`` each, of the rows of largest inner product.

    A score is the inner product of the given float32 numbers, summed in float64 and rounded to
    float32; of equal scores the earlier row comes first. Nothing is left to chance: a row is
    passed over only if its eight-bit product, plus the error this may have (``codes``), is below
    the k-th best score found so far.

    Args:
        queries: ``[b d]`` float32 unit vectors.
        parts: unit vectors ``[n d]`` and their codes; rows are counted through all of them.
        k: 1 or more, and not more than there are rows.
    """
    parts, found = list(parts), []
    for some in queries.split(QUERIES):
        race, start = _Race(some, k), 0
        for vectors, codes in parts:
            race.through(vectors, codes, start)
            start += len(vectors)
        found.append((race.scores, race.rows))
    scores, rows = zip(*found, strict=True)
    return torch.cat(scores), torch.cat(rows)


class _Pairs(NamedTuple):
    """Candidates ``[p]``, sorted by query, then by row: and the most that each may score."""

    query: Tensor
    row: Tensor
    high: Tensor

    def those(self, which: Tensor) -> _Pairs:
        return _Pairs(self.query[which], self.row[which], self.high[which])


class _Race:
    """The best rows so far, of ``b`` queries.

    ``scores`` and ``rows`` are ``[b k]``, the best first; -inf and -1 where there are fewer.
    """

    def __init__(self, queries: Tensor, k: int) -> None:
        self.queries, self.precise = queries, queries.double()
        self.scores = torch.full((len(queries), k), NOWHERE)
        self.rows = torch.full((len(queries), k), -1)

    @property
    def bar(self) -> Tensor:
        """``[b]``: who is below it is not among the best."""
        return self.scores[:, -1]

    def through(self, vectors: Tensor, codes: Codes, start: int) -> None:
        """Compare with a part, whose first row is number ``start``."""
        (b, k), guess = self.rows.shape, Guess(self.queries, codes)
        step = max(PRODUCTS // b, 4 * k * BLOCK) // BLOCK
        waiting: list[_Pairs] = []
        for first in range(0, len(codes.scale), step):
            last = min(first + step, len(codes.scale))
            pairs = self._candidates(guess, first, last, len(vectors))
            if pairs is None:
                self._all(vectors, first * BLOCK, last * BLOCK, start)
            else:
                likely, others = pairs
                self._score(vectors, likely, start)
                waiting.append(others)
            if sum(len(pairs.row) for pairs in waiting) > WAITING:
                self._settle(vectors, waiting, start)
        self._settle(vectors, waiting, start)

    def _settle(self, vectors: Tensor, waiting: list[_Pairs], start: int) -> None:
        for pairs in waiting:
            self._score(vectors, pairs.those(pairs.high >= self.bar[pairs.query]), start)
        waiting.clear()

    def _candidates(
        self, guess: Guess, first: int, last: int, n: int
    ) -> tuple[_Pairs, _Pairs] | None:
        """Who may belong to the best among some blocks: the likely ones, and the others.

        None where they are so many that all may as well be compared.
        """
        (b, k), groups = self.rows.shape, last - first
        if groups < 2 * k and bool((self.bar == NOWHERE).any()):
            return None
        products = guess.products(first, last)  # [b g BLOCK]
        slope, offset, error = guess.line(first, last)
        peak = products.amax(2) * slope + offset  # [b g]
        bar = likely = self.bar
        if groups >= k:  # the k highest peaks are those of k different rows
            kth = peak.topk(k, dim=1).values[:, -1]
            bar, likely = torch.maximum(bar, kth - error.amax(1)), torch.maximum(bar, kth)
        query, group = (peak + error >= bar[:, None]).nonzero(as_tuple=True)
        value = products[query, group] * slope[query, group, None] + offset[query]  # [h BLOCK]
        high = value + error[query, group, None]
        hit, item = (high >= bar[query, None]).nonzero(as_tuple=True)
        row = (group[hit] + first) * BLOCK + item
        real = row < n  # the last block is filled up
        hit, item, row = hit[real], item[real], row[real]
        if len(row) > MANY * b * groups * BLOCK:
            return None
        pairs = _Pairs(query[hit], row, high[hit, item])
        now = value[hit, item] >= likely[pairs.query]
        return pairs.those(now), pairs.those(~now)

    def _score(self, vectors: Tensor, pairs: _Pairs, start: int) -> None:
        """Take these candidates in, by their true scores."""
        if not len(pairs.row):
            return
        step = max(1, SLAB // vectors.shape[1])
        parts = [
            (self.precise[q] * vectors[r]).sum(1).float()
            for q, r in zip(pairs.query.split(step), pairs.row.split(step), strict=True)
        ]
        counts = torch.bincount(pairs.query, minlength=len(self.queries))
        column = torch.arange(len(pairs.row)) - (counts.cumsum(0) - counts)[pairs.query]
        scores = torch.full((len(counts), int(counts.max())), NOWHERE)
        rows = torch.full_like(scores, -1, dtype=torch.long)
        scores[pairs.query, column], rows[pairs.query, column] = torch.cat(parts), pairs.row + start
        self._take(scores, rows)

    def _all(self, vectors: Tensor, first: int, last: int, start: int) -> None:
        step = max(1, SLAB // min(vectors.shape[1], 256))
        for i in range(first, min(last, len(vectors)), step):
            scores = (self.precise @ vectors[i : min(i + step, last)].double().T).float()
            self._take(scores, torch.arange(start + i, start + i + scores.shape[1]))

    def _take(self, scores: Tensor, rows: Tensor) -> None:
        """The best of those so far and of more, ``[b m]`` (of equal scores, the earlier row)."""
        k = self.rows.shape[1]
        scores = torch.cat([self.scores, scores], 1)
        rows = torch.cat([self.rows, rows.expand(len(scores), -1)], 1)
        rows, order = rows.sort(dim=1)
        scores, best = scores.gather(1, order).sort(dim=1, descending=True, stable=True)
        self.scores, self.rows = scores[:, :k].contiguous(), rows.gather(1, best[:, :k])
