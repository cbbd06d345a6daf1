"""Distributed: several processes train one model, by torch's DistributedDataParallel.

Start them with ``torchrun``. Each draws as many items as a draw says, all out of one order, and
has noise of its own: two processes learn as one with twice the batch. Gradients are averaged;
the first process writes the states, into a folder all can read. A process that fails ends with
its error, and ``torchrun`` ends the others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..stage import Phase


@dataclass(frozen=True)
class World:
    """The processes of a run.

    Args:
        rank: of this one.
        size: how many there are.
        device: where this one trains.
    """

    rank: int
    size: int
    device: torch.device

    def gather(self, value: Any) -> list[Any]:
        """Everybody's value, a thing JSON can hold, in order of rank."""
        if self.size == 1:
            return [value]
        data = torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8, device=self.device)
        length = torch.tensor([len(data)], device=self.device)
        lengths = [torch.empty_like(length) for _ in range(self.size)]
        dist.all_gather(lengths, length)
        longest = max(int(n) for n in lengths)
        padded = torch.zeros(longest, dtype=torch.uint8, device=self.device)
        padded[: len(data)] = data
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        return [
            json.loads(bytes(part[: int(n)].tolist()))
            for part, n in zip(parts, lengths, strict=True)
        ]

    def mean(self, values: Sequence[float]) -> list[float]:
        """The mean over the processes, entry by entry."""
        rows = self.gather(list(values))
        return [sum(column) / self.size for column in zip(*rows, strict=True)]


def average(value: Tensor) -> Tensor:
    """The mean of a tensor over the processes, without gradients; itself where there is one.

    For what every process must hold alike though each has its own share of the items.
    """
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def from_first(value: Tensor) -> Tensor:
    """The first process's tensor, in all of them."""
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        value = value.detach().clone()
        dist.broadcast(value, 0)
    return value


@contextmanager
def join(device: torch.device) -> Iterator[World]:
    """The world of this process: torch's default group, or that of ``torchrun``, or itself."""
    opened = False
    if not dist.is_available():
        yield World(0, 1, device)
        return
    if not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        opened = True
    try:
        if dist.is_initialized():
            yield World(dist.get_rank(), dist.get_world_size(), device)
        else:
            yield World(0, 1, device)
    except BaseException:
        if opened:
            _broken.append(dist.group.WORLD)
        raise
    finally:
        if opened:
            dist.destroy_process_group()


# Groups that failed amid a step. The last reference, dropped while such a step's work is still
# ending, deadlocks: the destructor holds the interpreter's lock and waits for threads that want it.
_broken: list[Any] = []


def local_rank() -> int | None:
    """Which CUDA device of its machine this process takes, by ``torchrun``; None without it."""
    told = os.environ.get("LOCAL_RANK")
    return None if told is None else int(told)


class Turn(nn.Module):
    """A phase as a module, so that DistributedDataParallel averages its gradients."""

    def __init__(self, phase: Phase) -> None:
        super().__init__()
        self.learns = nn.ModuleList(phase.learns)
        self.terms = phase.terms

    def forward(self, given: Sequence[Any], lazily: bool) -> Mapping[str, Tensor]:
        return self.terms(given, lazily)


def parallel(phase: Phase, world: World) -> nn.parallel.DistributedDataParallel | None:
    """The phase's objective over all processes; None where there is only one.

    What learns must require gradients already. A turn need not reach all of it.
    """
    if world.size == 1:
        return None
    return nn.parallel.DistributedDataParallel(Turn(phase), find_unused_parameters=True)
