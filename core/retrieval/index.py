"""The index: items of any domains, found by their vectors in the common space."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..config import check_number
from ..errors import DataError, UnknownNameError
from . import stored
from .answers import Answers
from .exact import nearest
from .maker import fingerprint
from .segment import MOST, Segment, join_small
from .vectors import check_width, unit

if TYPE_CHECKING:
    from ..translator import Translator


class Index:
    """Items of any mix of domains, and those nearest to a query by cosine, exactly.

    Vectors are kept with length 1 in float32, and in eight bits beside it, which find the few
    that float64 must decide on (``exact``): 1.25 times the memory of the vectors.

    Args:
        width: of the vectors.
        maker: fingerprint of the translator that makes the vectors; empty for vectors of no
            translator.

    Raises:
        DataError: no such width.

    >>> index = Index.build(translator, {"photo": photos, "sound": sounds})
    >>> index.save("things")
    >>> index = Index.load("things")
    >>> found = index.search(translator.embed(queries, "photo"), k=5, domains=["sound"])
    >>> found[0][0].id
    'sound/17'
    """

    def __init__(self, width: int, maker: str = "") -> None:
        self.width, self.maker = check_width(width), maker
        self._segments: dict[str, list[Segment]] = {}
        self._places: dict[str, tuple[str, int]] | None = {}  # id -> domain, number there
        self._saved: dict[Path, str] = {}  # folder -> its list, as this index knows it

    def __repr__(self) -> str:
        held = ", ".join(f"{n:,} of {name!r}" for name, n in self.domains.items())
        return f"<Index of {held or 'nothing'}, width {self.width}>"

    def __len__(self) -> int:
        return sum(self.domains.values())

    def __contains__(self, name: object) -> bool:
        return name in self._where()

    @property
    def domains(self) -> dict[str, int]:
        """How many items of each domain it holds."""
        return {name: sum(map(len, parts)) for name, parts in self._segments.items()}

    @classmethod
    def build(
        cls,
        translator: Translator,
        items: Mapping[str, Sequence[Any]],
        *,
        ids: Mapping[str, Sequence[str]] | None = None,
        labels: Mapping[str, Sequence[str | None]] | None = None,
        metadata: Mapping[str, Sequence[Any]] | None = None,
    ) -> Index:
        """An index of a translator's items.

        Args:
            translator: that embeds them.
            items: domain -> items, or paths of files that hold them; at least one item.
            ids: of the items, by domain; ``domain/number`` where not given.
            labels, metadata: of the items, by domain; see ``add``.

        Raises:
            DataError: there are no items, or one cannot be used.
            UnknownNameError: no such domain.
        """
        for domain in {**(ids or {}), **(labels or {}), **(metadata or {})}:
            if domain not in items:
                raise UnknownNameError(f"no items of {domain!r} here, of {', '.join(items)}")
        index: Index | None = None
        for domain, those in items.items():
            if not len(those):
                continue
            vectors = translator.embed(those, domain)
            if index is None:
                index = cls(vectors.shape[1], fingerprint(translator))
            names = (ids or {}).get(domain, [f"{domain}/{i}" for i in range(len(those))])
            about = [(given or {}).get(domain) for given in (labels, metadata)]
            index.add(vectors, names, domain, labels=about[0], metadata=about[1])
        if index is None:
            raise DataError("an index is built of items, and there are none")
        return index

    def add(
        self,
        vectors: Tensor,
        ids: Sequence[str],
        domain: str,
        *,
        labels: Sequence[str | None] | None = None,
        metadata: Sequence[Any] | None = None,
        maker: str | None = None,
    ) -> None:
        """Add items of a domain; ``save`` puts them on disk.

        Args:
            vectors: ``[n width]``, of any length but 0.
            ids: n different names that are not there yet.
            domain: theirs.
            labels: names of their classes, if any.
            metadata: anything JSON can hold, each.
            maker: fingerprint of the translator that made the vectors; checked if given.

        Raises:
            DataError: vectors of another width or translator, all zero or not finite; ids that are
                not new, a domain that is no text; not as many of one as of the other; metadata
                that JSON cannot hold.
        """
        self.check_maker(maker)
        units = unit(vectors, self.width, lambda i: repr(ids[i]) if i < len(ids) else f"row {i}")
        if not isinstance(domain, str) or not domain:
            raise DataError(f"a domain's name is a text that is not empty, not {domain!r}")
        n, where, held = len(units), self._where(), self.domains.get(domain, 0)
        for name, given in (("ids", ids), ("labels", labels), ("metadata", metadata)):
            if given is not None and len(given) != n:
                raise DataError(f"{n} vectors need as many {name}, not {len(given)}")
        new: dict[str, tuple[str, int]] = {}
        for i, name in enumerate(ids):
            if not isinstance(name, str) or not name:
                raise DataError(f"ids are texts that are not empty, not {name!r} (item {i})")
            if name in where or name in new:
                raise DataError(f"the id {name!r} is there already; an id names one item")
            new[name] = domain, held + i
        given, classes = ([None] * n if x is None else list(x) for x in (metadata, labels))
        notes = [_json(note, ids[i]) for i, note in enumerate(given)]
        for name, label in zip(ids, classes, strict=True):
            if not isinstance(label, str | None):
                raise DataError(f"labels are texts or None, not {label!r} (of {name!r})")
        parts = list(self._segments.get(domain, []))
        for i in range(0, n, MOST):
            part = slice(i, i + MOST)
            parts.append(Segment.of(domain, units[part], ids[part], classes[part], notes[part]))
            join_small(parts)
        if n:
            self._segments[domain] = parts
        where.update(new)

    def search(
        self,
        queries: Tensor,
        k: int = 10,
        domains: Sequence[str] | None = None,
        *,
        maker: str | None = None,
    ) -> Answers:
        """The k items of largest cosine for each query.

        Scores are right to float32; of equal ones, the item added earlier comes first, and
        domains come in the order in which they were first added.

        Args:
            queries: ``[b width]``, of any length but 0.
            k: 1 or more; where there are fewer items, all come.
            domains: to search in; all when not given.
            maker: fingerprint of the translator that made the queries; checked if given.

        Raises:
            SettingError: k is no integer above 0.
            UnknownNameError: no such domain.
            DataError: queries of another width or translator, all zero or not finite; an index
                without items.
        """
        units, segments, k = self.prepare(queries, k, domains, maker)
        if not len(units):
            return Answers(torch.empty(0, k), torch.empty(0, k, dtype=torch.long), segments)
        scores, rows = nearest(units, [(s.vectors, s.codes) for s in segments], k)
        return Answers(scores, rows, segments)

    def prepare(
        self, queries: Tensor, k: int, domains: Sequence[str] | None, maker: str | None
    ) -> tuple[Tensor, list[Segment], int]:
        """Queries as unit vectors, the segments to search, and how many items to find."""
        check_number("search", "k", k, 1, integer=True)
        self.check_maker(maker)
        segments = self.segments(domains)
        units = unit(queries, self.width, lambda i: f"query {i}")
        return units, segments, min(k, sum(map(len, segments)))

    def vectors(self, ids: Sequence[str]) -> Tensor:
        """``[n width]``: the unit vectors of these items.

        Raises:
            UnknownNameError: an id is not there.
        """
        where, rows = self._where(), []
        for name in ids:
            if name not in where:
                raise UnknownNameError(f"no item {name!r} in this index of {len(self):,}")
            domain, i = where[name]
            for segment in self._segments[domain]:
                if i < len(segment):
                    rows.append(segment.vectors[i])
                    break
                i -= len(segment)
        return torch.stack(rows) if rows else torch.empty(0, self.width)

    def save(self, folder: str | Path) -> Path:
        """Put the index, or what is new in it, into a folder; all of it counts at once or not.

        Raises:
            CheckpointError: the folder holds another index, or one that was changed since this
                one was loaded; it cannot be written. What it held stays.
        """
        place = Path(folder).resolve()
        about = {"width": self.width, "maker": self.maker}
        segments = [segment for parts in self._segments.values() for segment in parts]
        self._saved[place] = stored.save(place, segments, about, self._saved.get(place))
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Index:
        """Open what ``save`` wrote; vectors stay in the files, which are mapped to memory.

        Raises:
            CheckpointError: a file is missing, truncated or foreign; names it.
        """
        place = Path(folder).resolve()
        about, segments, text = stored.load(place)
        index = cls(about["width"], about["maker"])
        for segment in segments:
            index._segments.setdefault(segment.domain, []).append(segment)
        index._places = None
        index._saved[place] = text
        return index

    def _where(self) -> dict[str, tuple[str, int]]:
        if self._places is None:
            self._places = {
                name: (domain, i)
                for domain, parts in self._segments.items()
                for i, name in enumerate(name for segment in parts for name in segment.ids)
            }
        return self._places

    def segments(self, domains: Sequence[str] | None = None) -> list[Segment]:
        """The items of some domains, or of all, as they are stored.

        Raises:
            DataError: there are none.
            UnknownNameError: no such domain.
        """
        if not self._segments:
            raise DataError("this index holds no items; add some before searching")
        for name in domains or ():
            if name not in self._segments:
                raise UnknownNameError(
                    f"no items of a domain {name!r} here; there are {', '.join(self._segments)}"
                )
        return [
            s for name, p in self._segments.items() if not domains or name in domains for s in p
        ]

    def check_maker(self, maker: str | None) -> None:
        """Refuse vectors of another translator; None says nothing of theirs.

        Raises:
            DataError: this is not the fingerprint of the one that the index was made with.
        """
        if maker is not None and maker != self.maker:
            raise DataError(
                f"this index holds vectors of {_short(self.maker)}, and these are of "
                f"{_short(maker)}; use the one it was made with, or index anew in another folder"
            )


def _short(maker: str) -> str:
    return f"translator {maker[:12]}" if maker else "no translator"


def _json(note: Any, name: str) -> str | None:
    if note is None:
        return None
    try:
        return json.dumps(note, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"the metadata of {name!r} cannot be kept as JSON: {error}") from error
