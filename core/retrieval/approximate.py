"""Approximate search, for indexes past ten million items: most of the nearest, sooner.

An inverted file of faiss stands in front of an index: vectors in eight bits, in lists around
centres, of which a query looks through a few. What it proposes is compared exactly, by the
index's own vectors. It takes a quarter of the memory of the vectors on top. (Of the libraries for
this, faiss has the fastest building on few cores, and needs nothing but NumPy.)
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import write_atomically
from ..config import check_number
from ..errors import CheckpointError, UnknownNameError, UnsupportedError
from .answers import Answers
from .index import Index
from .segment import Segment

LIST = "approximate.json"
TRAINED = 64  # vectors to learn a centre from
PROPOSED = 4  # candidates for each item to find


class Approximate:
    """The face of ``Index.search``, answered by looking through a few lists.

    Args:
        index: what to search; items added to it later are not found.
        lists: centres for each domain, at most one an item; ``4 sqrt(n)`` when not given, fewer
            for few items.

    Raises:
        UnsupportedError: faiss is not installed.
        SettingError: lists is no integer above 0.

    >>> fast = Approximate(index)
    >>> fast.search(queries, k=10, probes=32)
    """

    def __init__(self, index: Index, lists: int | None = None) -> None:
        if lists is not None:
            check_number("approximate", "lists", lists, 1, integer=True)
        self.index = index
        self._files = {name: _inverted(index.segments([name]), lists) for name in index.domains}

    def search(
        self,
        queries: Tensor,
        k: int = 10,
        domains: Sequence[str] | None = None,
        *,
        maker: str | None = None,
        probes: int = 32,
    ) -> Answers:
        """Items of large cosine; scores are right, but nearer items may be missed.

        Args:
            queries, k, domains, maker: see ``Index.search``, as are the errors.
            probes: lists to look through in each domain, 1 or more; more find more, and take
                longer.
        """
        check_number("search", "probes", probes, 1, integer=True)
        asked = list(self._files) if domains is None else domains
        units, segments, k = self.index.prepare(queries, k, asked, maker)
        rows, start = [torch.empty(len(units), 0, dtype=torch.long)], 0
        for domain in dict.fromkeys(segment.domain for segment in segments):
            if domain not in self._files:
                raise UnknownNameError(
                    f"no lists of {domain!r}, which the index got after they were made; make them "
                    "anew"
                )
            file = self._files[domain]
            file.nprobe = probes
            _, near = file.search(units.numpy(), min(PROPOSED * k, file.ntotal))
            found = torch.from_numpy(near)
            rows.append(torch.where(found >= 0, found + start, -1))
            start += sum(len(segment) for segment in segments if segment.domain == domain)
        candidates = torch.cat(rows, 1).sort(1).values  # [b m]
        scores = _scores(units, candidates, segments)
        best = scores.sort(dim=1, descending=True, stable=True)
        order = best.indices[:, :k]
        return Answers(best.values[:, :k], candidates.gather(1, order), segments)

    def save(self, folder: str | Path) -> Path:
        """Put the lists beside the index, saved in this folder.

        Raises:
            CheckpointError: they cannot be written.
        """
        import faiss

        place = Path(folder)
        about = {"segments": _keys(self.index), "domains": list(self._files)}
        try:
            for i, file in enumerate(self._files.values()):
                part = place / f".approximate-{i}.{os.getpid()}.part"
                faiss.write_index(file, str(part))
                part.replace(_file(place, i))
        except (OSError, RuntimeError) as error:
            raise CheckpointError(f"cannot save the lists in {place}: {error}") from error
        write_atomically(place / LIST, json.dumps(about))
        return place

    @classmethod
    def load(cls, folder: str | Path, index: Index) -> Approximate:
        """Read what ``save`` wrote for this index.

        Raises:
            CheckpointError: a file is missing or damaged, or the index has changed since.
            UnsupportedError: faiss is not installed.
        """
        faiss, place = _faiss(), Path(folder)
        try:
            about = json.loads((place / LIST).read_text(encoding="utf-8"))
            current = about["segments"] == _keys(index)
            files = {
                domain: faiss.read_index(str(_file(place, i)))
                for i, domain in enumerate(about["domains"])
            }
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{place} holds no lists for approximate search, or damaged ones ({error}); "
                "build and save them"
            ) from error
        if not current or {d: f.ntotal for d, f in files.items()} != index.domains:
            raise CheckpointError(
                f"the lists for approximate search in {place} are of an older state of the "
                "index, or of another; build and save them anew"
            )
        made = cls.__new__(cls)
        made.index, made._files = index, files
        return made


def _inverted(segments: Sequence[Segment], lists: int | None) -> Any:
    faiss = _faiss()
    n, width = sum(map(len, segments)), segments[0].vectors.shape[1]
    count = min(lists, n) if lists else max(1, min(int(4 * n**0.5), n // TRAINED))
    file = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width),
        width,
        count,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    share = max(1, n // (count * TRAINED))
    file.train(torch.cat([segment.vectors[::share] for segment in segments]).numpy())
    for segment in segments:
        file.add(segment.vectors.numpy())
    return file


def _scores(units: Tensor, rows: Tensor, segments: Sequence[Segment]) -> Tensor:
    scores, start = torch.full(rows.shape, -torch.inf), 0
    for segment in segments:
        query, place = ((rows >= start) & (rows < start + len(segment))).nonzero(as_tuple=True)
        found = segment.vectors[rows[query, place] - start].double()
        scores[query, place] = (units[query] * found).sum(1).float()
        start += len(segment)
    return scores


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise UnsupportedError(
            "approximate search needs faiss; install transmodal[search], or search exactly"
        ) from error
    return faiss


def _keys(index: Index) -> list[str]:
    return [segment.key for segment in index.segments()]


def _file(folder: Path, i: int) -> Path:
    return folder / f"approximate-{i}.faiss"
