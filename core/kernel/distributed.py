"""Distributed: several processes train one model, by torch's DistributedDataParallel.

Start them with ``torchrun``, all with the same data, settings and seed. Each draws as many items
as a draw says, all out of one order, and has noise of its own: two processes learn as one with
twice the batch. Gradients are averaged, buffers are the first process's; what compares items
of a batch with each other (BatchNorm, strangers, means over labelled items or masks) sees a
process's own share. The first process shows the progress and writes the states, into a folder
all can read. A process that fails ends with its error, and the others with one that says so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..errors import SettingError, TrainingError
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
    if not _together():
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def from_first(value: Tensor) -> Tensor:
    """The first process's tensor, in all of them."""
    if _together():
        value = value.detach().clone(memory_format=torch.contiguous_format)
        dist.broadcast(value, 0)
    return value


@torch.no_grad()
def agree(tensors: Sequence[Tensor]) -> None:
    """Let tensors be what the first process has, by one message for each type."""
    for dtype in {tensor.dtype: None for tensor in tensors}:
        alike = [tensor for tensor in tensors if tensor.dtype == dtype]
        whole = from_first(torch.cat([tensor.flatten() for tensor in alike]))
        parts = whole.split([tensor.numel() for tensor in alike])
        for tensor, part in zip(alike, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


@contextmanager
def alone() -> Iterator[None]:
    """Let what is trained within be this process's own, whoever else there is.

    For what must not depend on how many processes there are, such as judges.
    """
    before = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(before)


_alone = ContextVar("alone", default=False)


def _together() -> bool:
    """Whether this process trains with others now."""
    if _alone.get() or not dist.is_available() or not dist.is_initialized():
        return False
    return dist.get_world_size() > 1


@contextmanager
def join(device: torch.device) -> Iterator[World]:
    """The world of this process: torch's default group, or that of ``torchrun``, or itself.

    Raises:
        SettingError: the environment speaks of other processes, but not of how to meet them.
        TrainingError: another process ended amid the training, or never came.
    """
    size = told("WORLD_SIZE", 1)
    if _alone.get() or not dist.is_available() or not (dist.is_initialized() or size > 1):
        yield World(0, 1, device)
        return
    opened = not dist.is_initialized()
    try:
        if opened:
            _meet(size, "nccl" if device.type == "cuda" else "gloo")
        yield World(dist.get_rank(), dist.get_world_size(), device)
    except BaseException as error:
        if opened and dist.is_initialized():
            _broken.append(dist.group.WORLD)
        if isinstance(error, RuntimeError) and _lost(error):
            what = re.sub(r"^\[\S+\] ", "", str(error)).split(". ")[0]  # without places in sources
            raise TrainingError(
                f"another process of this training ended, or cannot be reached ({what}); its own "
                "message says why. Where there is a checkpoint folder, start all of them again to "
                "go on from the last state"
            ) from error
        raise
    finally:
        if opened and dist.is_initialized():
            dist.destroy_process_group()


# Groups that failed amid a step. The last reference, dropped while such a step's work is still
# ending, deadlocks: the destructor holds the interpreter's lock and waits for threads that want it.
_broken: list[Any] = []
# Where processes leave their addresses, and of how many trainings: those of a training before are
# no longer true, and torchrun's store keeps them.
_meetings: list[Any] = []


def _meet(size: int, backend: str) -> None:
    """Open torch's default group as the environment tells."""
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    rank = told("RANK", 0)
    told("MASTER_PORT", 0)
    if missing or not 0 <= rank < size:
        wrong = f"RANK is {rank}" if not missing else f"{', '.join(missing)} not set"
        raise SettingError(
            f"the environment says WORLD_SIZE={size}, so {size} processes train together, but "
            f"{wrong}; start them with torchrun, or unset WORLD_SIZE to train in one"
        )
    if not _meetings:
        _meetings.append(next(rendezvous("env://"))[0])
    _meetings.append(PrefixStore(f"training-{len(_meetings)}", _meetings[0]))
    dist.init_process_group(backend, store=_meetings[-1], rank=rank, world_size=size)


def _lost(error: RuntimeError) -> bool:
    """Whether an error says that another process is gone."""
    return isinstance(error, dist.DistError) or "gloo/transport" in str(error)


def told(name: str, default: int) -> int:
    """A whole number of the environment, as ``torchrun`` sets some.

    Raises:
        SettingError: it is set, and no whole number.
    """
    text = os.environ.get(name, str(default))
    with suppress(ValueError):
        return int(text)
    raise SettingError(
        f"the environment's {name} must be a whole number, not {text!r}; start several processes "
        f"with torchrun, which sets it, or unset it to train in one"
    )


def first() -> bool:
    """Whether this process is the one that shows and writes for all."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    return told("WORLD_SIZE", 1) < 2 or told("RANK", 0) == 0


def local_rank() -> int | None:
    """Which CUDA device of its machine this process takes, by ``torchrun``; None without it."""
    return told("LOCAL_RANK", 0) if "LOCAL_RANK" in os.environ else None


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
