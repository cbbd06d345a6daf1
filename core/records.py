"""Records: the user's data as a table with holes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from . import sources
from .config import check_number
from .errors import DataError
from .modality import Modality
from .signal import Signal
from .sources import Items as Items
from .stage import UNLABELLED
from .table import Column, Memory, Streamed, Table, collate

CHUNK = 256  # items collated at a time


@dataclass(frozen=True)
class Records:
    """A table with a row per record and a column per domain, where items may be missing.

    Pairs, a few pairs, class labels only, nothing at all: all four are tables with holes.
    Made by ``from_arrays``, ``from_manifest`` or ``from_folders``.

    Args:
        columns: domain -> its items and rows.
        labels: a label per row, None where unknown.
        groups: a group per row (a speaker, a writer), None where unknown; ``split`` keeps
            the rows of a group together.
        splits: the name of the part each row belongs to, where the manifest says so.
    """

    columns: Mapping[str, Items]
    labels: tuple[str | None, ...]
    groups: tuple[str | None, ...] = ()
    splits: tuple[str | None, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        held = ", ".join(f"{len(c.items)} of {name!r}" for name, c in self.columns.items())
        return f"Records({len(self)} rows, {len(self.classes())} classes; items: {held})"

    # -- where records come from ---------------------------------------------
    @classmethod
    def from_arrays(
        cls,
        columns: Mapping[str, Sequence[Any]],
        labels: Mapping[str, Sequence[Any]] | Sequence[Any] | None = None,
        *,
        paired: bool = False,
        groups: Mapping[str, Sequence[Any]] | Sequence[Any] | None = None,
    ) -> Records:
        """Records from arrays, tensors or lists in memory.

        Args:
            columns: domain -> items; with ``paired``, item i of every domain is row i.
            labels: per row when paired, else per domain and item. None or -1 where unknown.
            paired: whether the domains share rows; otherwise each has its own.
            groups: like ``labels``.

        Raises:
            DataError: no domain, an empty one, or lengths that differ.

        >>> Records.from_arrays({"digits": images, "spoken": waves},
        ...                     labels={"digits": y1, "spoken": y2})
        """
        return cls(*sources.arrays(columns, labels, paired, groups))

    @classmethod
    def from_manifest(
        cls, path: str | Path, domains: Sequence[str] | None = None, *, inline: Sequence[str] = ()
    ) -> Records:
        """Records from a CSV (with a header) or JSONL file.

        Every column is a domain whose cells are file paths, relative to the manifest, empty
        where the item is missing; but ``label``, ``group`` and ``split`` say what they are. A
        label that is empty or -1 is unknown.

        Args:
            path: the manifest, ``.csv`` or ``.jsonl``.
            domains: the columns to use; all of them when not given.
            inline: those whose cells are no paths but the items, texts, themselves.

        Raises:
            DataError: no such manifest or file, a column missing or named twice, an empty
                table; names the manifest, row and field.
        """
        return cls(*sources.manifest(Path(path), domains, inline))

    @classmethod
    def from_folders(cls, folders: Mapping[str, str | Path], *, paired: bool = False) -> Records:
        """Records from a folder per domain; its subfolders, where there are any, are classes.

        Args:
            folders: domain -> folder.
            paired: files of the same relative name (without suffix) share a row.

        Raises:
            DataError: a folder is missing or holds no files; names it.
        """
        return cls(*sources.folders(folders, paired))

    # -- parts ----------------------------------------------------------------
    def select(self, rows: Iterable[int]) -> Records:
        """The records of these rows, renumbered in ascending order.

        Args:
            rows: numbers from 0, in any order; a row named twice is taken once.

        Raises:
            DataError: there is no such row, or it is no number.
        """
        kept = sorted({self._row(row) for row in rows})
        keep = torch.zeros(len(self), dtype=torch.bool)
        keep[torch.tensor(kept, dtype=torch.long)] = True
        number = keep.long().cumsum(0) - 1
        made: dict[str, Items] = {}
        for domain, column in self.columns.items():
            inside = keep[column.rows].nonzero()[:, 0]
            if len(inside):
                chosen = [column.items[i] for i in inside.tolist()]
                made[domain] = Items(chosen, number[column.rows[inside]])
        return self._with_rows(made, kept)

    def _with_rows(self, columns: Mapping[str, Items], rows: Sequence[int]) -> Records:
        """Records of these columns, whose row i is said to be what ``rows[i]`` is here."""

        def pick(values: tuple[str | None, ...]) -> tuple[str | None, ...]:
            return tuple(values[row] for row in rows) if values else ()

        labels, groups, splits = map(pick, (self.labels, self.groups, self.splits))
        return Records(columns, labels, groups, splits)

    def _row(self, row: Any) -> int:
        plain = row.item() if hasattr(row, "item") else row
        if isinstance(plain, bool) or not isinstance(plain, int) or not 0 <= plain < len(self):
            raise DataError(
                f"rows are whole numbers from 0 to {len(self) - 1}, not {plain!r}; of a mask, give "
                "the places where it is True"
            )
        return plain

    def part(self, name: str) -> Records:
        """The rows whose ``split`` field is ``name``.

        Raises:
            DataError: no row says so; names the splits there are.
        """
        rows = [row for row, split in enumerate(self.splits) if split == name]
        if not rows:
            there = sorted({split for split in self.splits if split}) or ["none"]
            raise DataError(f"no record has the split {name!r}; the splits are {', '.join(there)}")
        return self.select(rows)

    def split(self, test: float, *, seed: int = 0) -> tuple[Records, Records]:
        """A training and a test part; rows of one group stay together.

        Args:
            test: share of the rows (nearly, where groups are large) that go to the test part.
            seed: of the shuffle.

        Raises:
            DataError: one of the parts would be empty.
            SettingError: ``test`` is no number.
        """
        check_number("split", "test", test)
        keys: list[object] = [
            row if not self.groups or self.groups[row] is None else (self.groups[row],)
            for row in range(len(self))
        ]
        members: dict[object, list[int]] = {}
        for row, key in enumerate(keys):
            members.setdefault(key, []).append(row)
        order = torch.randperm(len(members), generator=torch.Generator().manual_seed(seed))
        held = list(members.values())
        chosen: list[int] = []
        for i in order.tolist():
            if len(chosen) >= test * len(self):
                break
            chosen.extend(held[i])
        rest = set(range(len(self))) - set(chosen)
        if not chosen or not rest:
            raise DataError(
                f"a test share of {test:g} leaves one part of {len(self)} records "
                f"in {len(members)} groups empty"
            )
        return self.select(rest), self.select(chosen)

    def unpair(self, keep: float, *, seed: int = 0) -> Records:
        """The same items, with only a share of the records that hold several domains left whole.

        The items of the others part: the first domain's stays, and each other one stands in a
        new row of its own, with the label, group and split it had. For asking how many pairs a
        bridge needs.

        Args:
            keep: share of these records that stay whole, in [0, 1].
            seed: of which.

        Raises:
            SettingError: ``keep`` is out of range.
        """
        check_number("unpair", "keep", keep, 0, 1)
        held = torch.zeros(len(self), dtype=torch.long)
        for column in self.columns.values():
            held[column.rows] += 1
        whole = (held > 1).nonzero()[:, 0]
        order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(seed))
        parting = torch.zeros(len(self), dtype=torch.bool)
        parting[whole[order[round(keep * len(whole)) :]]] = True
        taken = torch.zeros(len(self), dtype=torch.bool)  # rows that have an item already
        made, copies = {}, list(range(len(self)))
        for domain, column in self.columns.items():
            moves = parting[column.rows] & taken[column.rows]
            taken[column.rows] = True
            stay, move = (~moves).nonzero()[:, 0], moves.nonzero()[:, 0]
            chosen = [column.items[i] for i in torch.cat([stay, move]).tolist()]
            new = torch.arange(len(copies), len(copies) + len(move))
            made[domain] = Items(chosen, torch.cat([column.rows[stay], new]))
            copies += column.rows[move].tolist()
        return self._with_rows(made, copies)

    # -- into signals -----------------------------------------------------------
    def classes(self) -> tuple[str, ...]:
        """The labels there are, in order (numbers by value, words by the alphabet)."""
        present = {label for label in self.labels if label is not None}
        if all(re.fullmatch("-?[0-9]+", label) for label in present):
            return tuple(sorted(present, key=lambda label: (int(label), label)))
        return tuple(sorted(present))

    def table(
        self,
        modalities: Mapping[str, Modality],
        classes: Sequence[str] | None = None,
        *,
        stream: bool = False,
    ) -> Table:
        """The records as signals.

        Args:
            modalities: of the domains to take.
            classes: names of the classes, in order; those of these records when not given.
            stream: leave files on disk and read them as they are drawn.

        Raises:
            DataError: a domain is missing, an item cannot be used, a label is not among the
                classes; names the row (from 1) and field.
        """
        names = tuple(classes) if classes is not None else self.classes()
        number = {name: i for i, name in enumerate(names)}
        for row, label in enumerate(self.labels):
            if label is not None and label not in number:
                raise DataError(
                    f"row {row + 1}, field 'label': {label!r} is none of the classes "
                    f"{', '.join(names) or '(there are none)'}"
                )
        index = torch.tensor(
            [UNLABELLED if label is None else number[label] for label in self.labels]
        )
        columns: dict[str, Column] = {}
        for domain, modality in modalities.items():
            if domain not in self.columns:
                raise DataError(
                    f"the records hold no domain {domain!r}; they hold {', '.join(self.columns)}"
                )
            column = self.columns[domain]
            if stream:
                columns[domain] = Streamed(
                    column.items, modality, index[column.rows], column.rows, domain
                )
            else:
                signal = _collate(column, modality, domain)
                columns[domain] = Memory(signal, index[column.rows], column.rows)
        return Table(columns, names)


def _collate(column: Items, modality: Modality, domain: str) -> Signal:
    return Signal.cat(
        [
            collate(modality, column.items[i : i + CHUNK], column.rows[i : i + CHUNK], domain)
            for i in range(0, len(column.items), CHUNK)
        ]
    )
