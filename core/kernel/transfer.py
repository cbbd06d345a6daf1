"""Transfer: how batches come to the training device. The one seam for copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..signal import Signal
from ..stage import Batch, Draw
from ..table import Memory, Table
from .distributed import World
from .phases import Feed

FREE_SHARE = 0.5  # of the device's free memory that data may fill; the rest is the model's


def place(table: Table, device: torch.device) -> Table:
    """The table with its in-memory columns moved to the device, as long as they fit.

    A table on the device is indexed there and costs no copies at all.
    """
    if device.type == "cpu":
        return table
    left = _free(device) * FREE_SHARE
    columns = dict(table.columns)
    for name, column in table.columns.items():
        if isinstance(column, Memory):
            left -= column.signal.values.nbytes
            if left > 0:
                columns[name] = column.to(device)
    return replace(table, columns=columns)


def feed(
    table: Table,
    draws: Sequence[Draw],
    seed: int,
    start: int,
    world: World,
    device: torch.device,
) -> Feed:
    """``table.feed`` with signals and labels on the device."""
    answers = table.feed(draws, seed, start=start, rank=world.rank, world=world.size)
    if device.type == "cpu":
        return iter(answers)
    return ({name: _move(batch, device) for name, batch in answer.items()} for answer in answers)


def _move(batch: Batch, device: torch.device) -> Batch:
    def signal(given: Signal) -> Signal:
        lengths = given.lengths
        return Signal(
            send(given.values, device), None if lengths is None else send(lengths, device)
        )

    return Batch(
        {domain: signal(given) for domain, given in batch.signals.items()},
        {domain: send(labels, device) for domain, labels in batch.labels.items()},
        batch.rows,
    )


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on the device; from the CPU to CUDA through pinned memory, not waited for."""
    if tensor.device == device:
        return tensor
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _free(device: torch.device) -> float:
    return float(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else float("inf")
