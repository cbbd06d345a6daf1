"""Plans: which items answer a draw at each step, as pure functions of the seed and the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .errors import DataError
from .seeds import derived_seed
from .stage import UNLABELLED, Draw

if TYPE_CHECKING:
    from .table import Column, Table


def plan(draw: Draw, table: Table, seed: int, rank: int = 0, world: int = 1) -> Plan:
    """The plan that answers ``draw`` from ``table``.

    Raises:
        DataError: the table does not hold what the draw asks for; says what is missing.
    """
    columns = {domain: table.column(domain) for domain in draw.domains}
    if draw.kind == "paired":
        pools = paired(draw, columns)
    elif draw.kind == "unpaired":
        pools = {domain: _unpaired(draw, domain, column) for domain, column in columns.items()}
    else:
        pools = _by_class(draw, columns)
    return Plan(draw, pools, seed, rank, world)


def require_held(draws: Sequence[Draw], table: Table) -> None:
    """Refuse a table that does not hold what these draws ask for, before any is wanted.

    Raises:
        DataError: see ``plan``.
    """
    for draw in draws:
        plan(draw, table, 0)


@dataclass
class Plan:
    """Index streams of one draw.

    Args:
        draw: the request.
        pools: domain -> k pools of item indices; slot i of a batch is filled from pool ``i % k``.
        seed, rank, world: see ``Table.feed``.
    """

    draw: Draw
    pools: Mapping[str, list[Tensor]]
    seed: int
    rank: int
    world: int
    _epochs: dict[str, tuple[int, Tensor]] = field(default_factory=dict)

    def indices(self, step: int) -> Mapping[str, Tensor]:
        """``[size]`` item indices per domain for this step."""
        if self.draw.kind != "mismatched":
            return {domain: self._row(domain, step, 0) for domain in self.pools}
        k = len(next(iter(self.pools.values())))
        generator = torch.Generator().manual_seed(
            derived_seed(self.seed, self.draw.name, "shift", step)
        )
        shifts = [0, *(torch.randperm(k - 1, generator=generator) + 1).tolist()]
        return {
            domain: self._row(domain, step, shift)
            for domain, shift in zip(self.pools, shifts, strict=False)
        }

    def _row(self, domain: str, step: int, shift: int) -> Tensor:
        pools = self.pools[domain]
        k, size = len(pools), self.draw.size * self.world
        share = -(-size // k)  # slots of a batch that one pool fills, rounded up
        batches = max(1, max(len(pool) for pool in pools) // share)
        epoch, row = divmod(step, batches)
        kept = self._epochs.get(domain)
        if kept is None or kept[0] != epoch:
            kept = epoch, self._epoch(domain, epoch, batches, share)
            self._epochs[domain] = kept
        items = kept[1][row]
        if shift or size % k:
            # Where k does not divide the batch, the pools take turns at the surplus slots.
            slot = torch.arange(size)
            items = items[(slot + step * size + shift) % k + slot // k * k]
        # neighbours, so that a process meets as many classes as its batch holds, and in turns, so
        # that it meets them all
        part = (self.rank + step) % self.world
        return items[part * self.draw.size : (part + 1) * self.draw.size]

    def _epoch(self, domain: str, epoch: int, batches: int, share: int) -> Tensor:
        """``[batches share*k]``: every batch of an epoch at once, slot i from pool i % k."""
        # One shuffle for all the domains of a paired draw keeps its rows together.
        key = "" if self.draw.kind == "paired" else domain
        generator = torch.Generator().manual_seed(
            derived_seed(self.seed, self.draw.name, key, epoch)
        )
        filled = [
            _endless(pool, batches * share, generator).view(batches, share)
            for pool in self.pools[domain]
        ]
        return torch.stack(filled, 2).flatten(1)


def _endless(pool: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``[count]`` items of the pool: shuffles one after another, none twice within one."""
    rounds = -(-count // len(pool))
    order = torch.cat([torch.randperm(len(pool), generator=generator) for _ in range(rounds)])
    return pool[order[:count]]


def _labelled(column: Column) -> Tensor:
    return (column.labels != UNLABELLED).nonzero()[:, 0]


def _require_labels(draw: Draw, domain: str, items: Tensor) -> None:
    if not len(items):
        raise DataError(
            f"draw {draw.name!r} wants labelled items of {domain!r}, and none has a label; "
            "label some, or choose a bridge or setting that needs no labels"
        )


def _unpaired(draw: Draw, domain: str, column: Column) -> list[Tensor]:
    items = torch.arange(len(column))
    if draw.labelled or draw.balanced:
        items = _labelled(column)
        _require_labels(draw, domain, items)
    if not len(items):
        raise DataError(f"draw {draw.name!r} finds no item of {domain!r}")
    if not draw.balanced:
        return [items]
    labels = column.labels[items]
    return [items[labels == label] for label in labels.unique()]


def paired(draw: Draw, columns: Mapping[str, Column]) -> dict[str, list[Tensor]]:
    """Rows that hold all the domains, in row order, so that one shuffle keeps them together."""
    position = [
        {int(row): i for i, row in enumerate(column.rows.tolist())} for column in columns.values()
    ]
    shared = sorted(set.intersection(*(set(rows) for rows in position)))
    labelled = ""
    if draw.labelled or draw.balanced:
        labelled = ", with a label in each"
        for column, rows in zip(columns.values(), position, strict=True):
            shared = [row for row in shared if column.labels[rows[row]] != UNLABELLED]
    if not shared:
        raise DataError(
            f"draw {draw.name!r} wants rows that hold all of {', '.join(columns)}{labelled}, and "
            "there are none; add pairs, or choose a bridge that learns from unpaired records"
        )
    first = next(iter(columns.values()))
    parts: list[list[int]] = [shared]
    if draw.balanced:
        classes = sorted({int(first.labels[position[0][row]]) for row in shared})
        parts = [
            [row for row in shared if int(first.labels[position[0][row]]) == label]
            for label in classes
        ]
    return {
        domain: [torch.tensor([rows[row] for row in part]) for part in parts]
        for domain, rows in zip(columns, position, strict=True)
    }


def _by_class(draw: Draw, columns: Mapping[str, Column]) -> dict[str, list[Tensor]]:
    """A pool for each class that all the domains have, in one order."""
    by_class: dict[str, dict[int, Tensor]] = {}
    for domain, column in columns.items():
        items = _labelled(column)
        _require_labels(draw, domain, items)
        labels = column.labels[items]
        by_class[domain] = {int(c): items[labels == c] for c in labels.unique()}
    shared = sorted(set.intersection(*(set(pools) for pools in by_class.values())))
    needed = 1 if draw.kind == "aligned" else len(columns)
    if len(shared) < needed:
        raise DataError(
            f"draw {draw.name!r} wants {needed} or more classes that all of {', '.join(columns)} "
            f"have labelled items of, and there are {len(shared)}"
        )
    return {domain: [pools[label] for label in shared] for domain, pools in by_class.items()}
