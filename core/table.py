"""Table: records as signals, ready to be drawn from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from .draws import plan
from .errors import DataError, UnknownNameError
from .modality import Modality
from .signal import Signal
from .stage import Batch, Draw


class Column(Protocol):
    """The items of one domain: labels, row numbers, and a way to take some of them."""

    @property
    def labels(self) -> Tensor: ...  # [m] class indices, UNLABELLED where unknown, on the CPU

    @property
    def rows(self) -> Tensor: ...  # [m] row numbers in the records, on the CPU

    def __len__(self) -> int: ...

    def take(self, index: Tensor) -> Signal:
        """The items at ``index`` ``[b]`` (on the CPU)."""
        ...


@dataclass(frozen=True)
class Memory:
    """A column held in memory and indexed directly.

    Args:
        signal: m items.
        labels: ``[m]`` class indices, ``UNLABELLED`` (-1) where unknown.
        rows: ``[m]`` row numbers in the records; 0 .. m-1 when not given.
    """

    signal: Signal
    labels: Tensor
    rows: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))

    def __post_init__(self) -> None:
        if not len(self.rows):
            object.__setattr__(self, "rows", torch.arange(len(self.signal)))
        if not len(self.signal) == len(self.labels) == len(self.rows):
            raise DataError(
                f"a column of {len(self.signal)} items needs as many labels and rows, "
                f"not {len(self.labels)} and {len(self.rows)}"
            )

    def __len__(self) -> int:
        return len(self.signal)

    def take(self, index: Tensor) -> Signal:
        values = self.signal.values
        where = index.to(values.device, non_blocking=True)
        lengths = self.signal.lengths
        return Signal(
            values.index_select(0, where),
            None if lengths is None else lengths.index_select(0, where),
        )

    def to(self, device: torch.device | str) -> Memory:
        return replace(self, signal=self.signal.to(device))


def collate(modality: Modality, items: Sequence[Any], rows: Tensor, domain: str) -> Signal:
    """Items (or their files) as a signal.

    Raises:
        DataError: an item cannot be used; names its row (from 1) and field.
    """
    try:
        return modality.collate([modality.load(item) for item in items])
    except DataError:
        for item, row in zip(items, rows.tolist(), strict=True):  # one by one, to name the row
            try:
                modality.collate([modality.load(item)])
            except DataError as error:
                raise type(error)(f"row {row + 1}, field {domain!r}: {error}") from error
        raise


@dataclass(frozen=True)
class Streamed:
    """A column left on disk: items are read and collated as they are taken.

    Args:
        items: paths, or data.
        modality: reads and collates them.
        labels, rows: as in ``Memory``.
        domain: named in errors.
    """

    items: Sequence[Any]
    modality: Modality
    labels: Tensor
    rows: Tensor
    domain: str

    def __len__(self) -> int:
        return len(self.items)

    def take(self, index: Tensor) -> Signal:
        chosen = [self.items[i] for i in index.tolist()]
        return collate(self.modality, chosen, self.rows[index], self.domain)


@dataclass(frozen=True)
class Table:
    """A column per domain, and the names of the classes.

    Items of different columns that share a row number belong together.

    Args:
        columns: domain -> its items.
        classes: names of the classes, in the order of the labels' indices.
        workers: processes that read streamed columns ahead; 0 to read in this one.
    """

    columns: Mapping[str, Column]
    classes: tuple[str, ...] = ()
    workers: int = 0

    def column(self, domain: str) -> Column:
        """The column of a domain.

        Raises:
            UnknownNameError: naming the domains there are.
        """
        if domain not in self.columns:
            raise UnknownNameError(
                f"the records hold no domain {domain!r}; they hold {', '.join(self.columns)}"
            )
        return self.columns[domain]

    def feed(
        self, draws: Sequence[Draw], seed: int, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[Mapping[str, Batch]]:
        """Answer the draws again and again, from the start-th time on.

        The k-th answer is a pure function of (draws, seed, k, rank, world), so a run resumes
        by starting where it stopped; nothing else needs to be saved.

        Args:
            draws: what to draw each time.
            seed: of the order.
            start: answers to leave out.
            rank: which share of every batch this process takes.
            world: how many processes share it.

        Raises:
            DataError: a draw asks for what the table does not hold.
        """
        answers = _Answers(self, draws, seed, rank, world)
        if not any(isinstance(column, Streamed) for column in self.columns.values()):
            return map(answers.__getitem__, itertools.count(start))
        from torch.utils.data import DataLoader

        # The sampler never ends and the batches come whole, so the loader only prefetches.
        loader = DataLoader(
            answers, batch_size=None, sampler=range(start, 2**62), num_workers=self.workers
        )
        return iter(loader)

    def batch(self, draw: Draw, indices: Mapping[str, Tensor]) -> Batch:
        """The items at these indices of the domains of a draw."""
        columns = {domain: self.columns[domain] for domain in draw.domains}
        return Batch(
            {domain: column.take(indices[domain]) for domain, column in columns.items()},
            {domain: column.labels[indices[domain]] for domain, column in columns.items()},
            {domain: column.rows[indices[domain]] for domain, column in columns.items()},
        )


class _Answers(Dataset[Mapping[str, Batch]]):
    """The k-th answer to a set of draws, as a data set a DataLoader can prefetch from."""

    def __init__(self, table: Table, draws: Sequence[Draw], seed: int, rank: int, world: int):
        self.table = table
        self.plans = [plan(draw, table, seed, rank, world) for draw in draws]

    def __getitem__(self, step: int) -> Mapping[str, Batch]:
        return {
            each.draw.name: self.table.batch(each.draw, each.indices(step)) for each in self.plans
        }
