"""Where the relevant items stand when all items are ranked, and what is measured of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config import check_number
from ..errors import DataError

SCORES = 2**22  # at a time


@dataclass(frozen=True)
class Ranking:
    """The ranks of the relevant items, R or fewer, of each of ``q`` queries, the best first.

    A rank is the number of items that score as much or more. So items of equal score share the
    worst rank among them, and no order of the items changes a figure: as in scikit-learn.

    Args:
        ranks: ``[q R]`` int64, from 1, among all items; 0 where a query has fewer than R.
        hits: ``[q R]``, among the relevant ones; 0 likewise.
        relevant: ``[q]``, how many each has, 1 or more.
        items: ``[q]``, how many items each was ranked against.
    """

    ranks: Tensor
    hits: Tensor
    relevant: Tensor
    items: Tensor

    @classmethod
    def of(cls, scores: Tensor, relevant: Tensor, own: Tensor | None = None) -> Ranking:
        """From scores.

        Args:
            scores: ``[q m]``, higher is nearer.
            relevant: ``[q m]`` bool.
            own: ``[q]``, where the query itself stands among the items, which leaves it out.

        Raises:
            DataError: a query without a relevant item.
        """
        # Two sorts of values and searches in them: NumPy sorts values many times as fast as
        # anything sorts places.
        values, chosen = scores.numpy().copy(), relevant.numpy().copy()
        items = torch.full((len(values),), values.shape[1])
        if own is not None:
            line = np.arange(len(values))
            values[line, own.numpy()], chosen[line, own.numpy()] = -np.inf, False
            items -= 1
        counts = torch.from_numpy(chosen.sum(1))
        if not bool((counts > 0).all()):
            raise DataError(
                f"query {int((counts == 0).nonzero()[0])} has no relevant item, so nothing is to "
                "be found; leave it out"
            )
        most = int(counts.max()) if len(counts) else 0
        good = np.where(chosen, values, -np.inf)
        good.sort(axis=1)
        values.sort(axis=1)
        wanted = torch.from_numpy(good[:, good.shape[1] - most :].copy())
        ranks, hits = (
            (line.shape[1] - torch.searchsorted(line, wanted)).flip(1)
            for line in (torch.from_numpy(values), wanted)
        )
        absent = torch.arange(most) >= counts[:, None]
        return cls(ranks.masked_fill(absent, 0), hits.masked_fill(absent, 0), counts, items)

    @classmethod
    def by_cosine(
        cls,
        queries: Tensor,
        items: Tensor,
        asked: Tensor,
        labels: Tensor,
        own: Tensor | None = None,
    ) -> Ranking:
        """By the cosine of vectors; an item of the query's class is relevant.

        Cosines are computed in float64 and compared in float32.

        Args:
            queries, items: ``[q d]`` and ``[m d]``.
            asked, labels: ``[q]`` and ``[m]``, their classes.
            own: ``[q]``, where the query itself stands among the items, if it does.

        Raises:
            DataError: widths or lengths that do not fit; a vector that is all zero or not
                finite; a query without a relevant item.
        """
        if queries.ndim != 2 or queries.shape[1:] != items.shape[1:]:
            raise DataError(
                f"queries {list(queries.shape)} and items {list(items.shape)} cannot be compared"
            )
        if (len(asked), len(labels)) != (len(queries), len(items)):
            raise DataError(
                f"{len(queries)} queries and {len(items)} items need as many labels, not "
                f"{len(asked)} and {len(labels)}"
            )
        first, second = _unit(queries, "query"), _unit(items, "item")
        step, parts = max(1, SCORES // max(1, len(items))), []
        for i in range(0, len(first), step):
            part = slice(i, i + step)
            scores = (first[part] @ second.T).float()
            same = asked[part, None] == labels
            try:
                parts.append(cls.of(scores, same, None if own is None else own[part]))
            except DataError:
                none = ~(asked[:, None] == labels).any(1) if own is None else _alone(asked, labels)
                bad = int(none.nonzero()[0])
                raise DataError(
                    f"query {bad}, of class {int(asked[bad])}, has no relevant item; leave it out"
                ) from None
        return cls._joined(parts)

    @classmethod
    def _joined(cls, parts: list[Ranking]) -> Ranking:
        most = max((part.ranks.shape[1] for part in parts), default=0)

        def wide(matrix: Tensor) -> Tensor:
            return torch.nn.functional.pad(matrix, (0, most - matrix.shape[1]))

        if not parts:
            raise DataError("nothing is asked: there are no queries")
        return cls(
            torch.cat([wide(part.ranks) for part in parts]),
            torch.cat([wide(part.hits) for part in parts]),
            torch.cat([part.relevant for part in parts]),
            torch.cat([part.items for part in parts]),
        )

    def average_precision(self, k: int | None = None) -> NDArray[Any]:
        """``[q]``: mean over the relevant items of the precision at their rank (CM-GANs Eq. 11).

        Their mean is MAP. With k, only ranks up to k count, and the sum is divided by
        ``min(k, relevant)``: 1 is the best there is.
        """
        counted = self._within(k)
        precision = torch.where(counted, self.hits / self.ranks.clamp(min=1).double(), 0.0)
        most = self.relevant if k is None else self.relevant.clamp(max=k)
        found: NDArray[Any] = (precision.sum(1) / most).numpy()
        return found

    def recall(self, k: int) -> NDArray[Any]:
        """``[q]``: the share of the relevant items among the first k."""
        found: NDArray[Any] = (self._within(k).sum(1) / self.relevant.double()).numpy()
        return found

    def hit(self, k: int) -> NDArray[Any]:
        """``[q]``: 1 where any relevant item is among the first k (often called recall, too)."""
        found: NDArray[Any] = self._within(k).any(1).double().numpy()
        return found

    def curve(self, points: int = 11) -> NDArray[Any]:
        """``[points]``: mean precision at recalls evenly from 0 to 1, interpolated.

        Interpolated precision at a recall is the highest at that recall or above (Manning et al.,
        Introduction to Information Retrieval, sec. 8.4).
        """
        check_number("curve", "points", points, 2, integer=True)
        precision = self.hits / self.ranks.clamp(min=1).double()
        best = precision.flip(1).cummax(1).values.flip(1)  # [q R]
        levels = torch.arange(points)
        # The first hit that reaches the recall j / (points - 1), in whole numbers.
        place = -(-levels * self.relevant[:, None] // (points - 1)) - 1
        made: NDArray[Any] = best.gather(1, place.clamp(min=0)).mean(0).numpy()
        return made

    def chance(self) -> NDArray[Any]:
        """``[q]``: the expected average precision of a random order, exactly.

        With n items of which R are relevant, rank i holds a relevant one with probability R / n,
        and then each earlier rank does with (R - 1) / (n - 1). So
        ``E[AP] = (H + (R - 1) / (n - 1) (n - H)) / n`` with ``H = 1 + 1/2 + ... + 1/n``.
        """
        n, relevant = self.items.double(), self.relevant.double()
        harmonic = (1 / torch.arange(1, int(self.items.max()) + 1).double()).cumsum(0)
        h = harmonic[self.items - 1]
        made: NDArray[Any] = ((h + (relevant - 1) / (n - 1).clamp(min=1) * (n - h)) / n).numpy()
        return made

    def _within(self, k: int | None) -> Tensor:
        if k is None:
            return self.ranks > 0
        check_number("ranking", "k", k, 1, integer=True)
        return (self.ranks > 0) & (self.ranks <= k)


def _alone(asked: Tensor, labels: Tensor) -> Tensor:
    few: Tensor = (asked[:, None] == labels).sum(1) < 2
    return few


def _unit(vectors: Tensor, name: str) -> Tensor:
    long = vectors.detach().to("cpu", torch.float64)
    norms = long.norm(dim=1, keepdim=True)
    bad = ~(torch.isfinite(norms) & (norms > 0))[:, 0]
    if bad.any():
        i = int(bad.nonzero()[0])
        raise DataError(f"{name} {i} is a vector that is all zero or not finite; leave it out")
    made: Tensor = long / norms
    return made
