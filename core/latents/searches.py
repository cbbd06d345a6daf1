"""Searches: ways down a per-item loss over latent vectors, item by item independent."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..config import Configurable, build, check_choice, check_number
from ..errors import SettingError

Losses = Callable[[Tensor], Tensor]  # z [m d] -> a loss [m] of each row, by that row alone


@dataclass(frozen=True, kw_only=True)
class Search(Configurable, ABC):
    """How to walk from starting points down to latent vectors that make a query.

    What is minimised for each row is ``distance(decode(z), query) + prior ||z||^2``.

    Args:
        steps: of each walk; >= 1.
        restarts: starting points for every query; >= 1. The best end is the answer.
        prior: weight of ``||z||^2``, >= 0, in the distance's own unit. A Normal likelihood of
            variance v and z ~ N(0, I) make it v with a summed squared error, 1/2 with nats.
            More of it keeps z where every domain's generator has learned, at a higher residual.
        chunk: most rows (query and starting point) walked at once; bounds the memory.

    Raises:
        SettingError: a setting outside its range.
    """

    steps: int
    restarts: int
    prior: float = 0.0
    chunk: int = 1024

    def __post_init__(self) -> None:
        owner = type(self).__name__
        for name in ("steps", "restarts", "chunk"):
            check_number(owner, name, getattr(self, name), 1, integer=True)
        check_number(owner, "prior", self.prior, 0)

    @abstractmethod
    def descend(self, losses: Losses, z: Tensor, tick: Callable[[], None]) -> Tensor:
        """Where the walks from ``z`` ``[m d]`` end; calls ``tick`` after every step."""


@dataclass(frozen=True, kw_only=True)
class GradientDescent(Search):
    """Plain gradient descent, as published: ``z <- z - rate * gradient``.

    The authors' rate is 0.1 on the mean over a batch of 8 of errors summed over pixels:
    0.0125 on each item's own sum. A distance of another scale needs another rate; one too
    high ends in an error.

    Source: SyncGAN Eq. 3, after Lipton & Tripathi; rate, steps and the single start from the
    authors' code.

    Args:
        rate: > 0.
    """

    steps: int = 1500
    restarts: int = 1
    rate: float = 0.0125

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(type(self).__name__, "rate", self.rate, math.ulp(0.0))

    def descend(self, losses: Losses, z: Tensor, tick: Callable[[], None]) -> Tensor:
        for _ in range(self.steps):
            z = z - self.rate * slope(losses, z)
            tick()
        return z


@dataclass(frozen=True, kw_only=True)
class LBFGS(Search):
    """L-BFGS with a strong Wolfe line search, one row at a time.

    A batch would share one curvature and one step length: an answer would depend on its company.

    Source: CoGAN sec. 5 names L-BFGS with a Euclidean loss and nothing else; the settings
    are ours.

    Args:
        steps: outer steps; the walk ends sooner where it no longer moves.
        iterations: in each outer step; >= 1.
        history: gradients remembered; >= 1.
        lr: length of the first trial step, > 0.
    """

    steps: int = 10
    restarts: int = 16
    chunk: int = field(default=1, init=False)
    iterations: int = 20
    history: int = 20
    lr: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = type(self).__name__
        check_number(owner, "iterations", self.iterations, 1, integer=True)
        check_number(owner, "history", self.history, 1, integer=True)
        check_number(owner, "lr", self.lr, math.ulp(0.0))

    def descend(self, losses: Losses, z: Tensor, tick: Callable[[], None]) -> Tensor:
        return torch.cat([self._walk(losses, row, tick) for row in z.split(1)])

    def _walk(self, losses: Losses, z: Tensor, tick: Callable[[], None]) -> Tensor:
        z = z.clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [z],
            self.lr,
            max_iter=self.iterations,
            history_size=self.history,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            loss = losses(z).sum()
            (z.grad,) = torch.autograd.grad(loss, z)
            return loss.detach()

        for _ in range(self.steps):
            before = z.detach().clone()
            optimizer.step(closure)
            tick()
            if torch.equal(before, z):
                break
        return z.detach()


@dataclass(frozen=True, kw_only=True)
class AdamSearch(Search):
    """All queries and all their restarts in one batch under Adam, rate falling as a cosine.

    Adam treats every number by itself, so over a sum of losses each row walks as it would
    alone. The default: a few restarts, and a tenth of the published steps.

    Source: the objective of SyncGAN Eq. 3 and the prior of the authors' code; the other settings
    are the best we found on a decoder of 28 x 28 digits (``cookbook/benchmarks/inversion.py``).

    Args:
        rate: at the first step, > 0; it falls to 0.
        betas: decays of the two moments, in [0, 1).
    """

    steps: int = 150
    restarts: int = 4
    prior: float = 1e-3
    chunk: int = 256
    rate: float = 0.2
    betas: tuple[float, float] = (0.8, 0.9)

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = type(self).__name__
        check_number(owner, "rate", self.rate, math.ulp(0.0))
        if not isinstance(self.betas, Sequence) or len(self.betas) != 2:
            raise SettingError(f"{owner}: betas must be two numbers, not {self.betas!r}")
        object.__setattr__(self, "betas", tuple(self.betas))  # JSON gives a list
        for beta in self.betas:
            check_number(owner, "betas", beta, 0, 1 - 1e-7)

    def descend(self, losses: Losses, z: Tensor, tick: Callable[[], None]) -> Tensor:
        z = z.clone()
        optimizer = torch.optim.Adam([z], self.rate, betas=self.betas)
        for step in range(self.steps):
            fallen = (1 + math.cos(math.pi * step / self.steps)) / 2
            optimizer.param_groups[0]["lr"] = self.rate * fallen
            z.grad = slope(losses, z)
            optimizer.step()
            tick()
        return z


SEARCHES: Mapping[str, type[Search]] = {
    "adam": AdamSearch,
    "gradient-descent": GradientDescent,
    "l-bfgs": LBFGS,
}


def search_named(name: str, **settings: Any) -> Search:
    """A search from what JSON holds: a key of ``SEARCHES`` and the class's settings.

    Raises:
        SettingError: no such search or setting, or a value out of range.
    """
    check_choice("inversion", "search", name, tuple(SEARCHES))
    made: Search = build(SEARCHES[name], settings, f"search {name!r}")
    return made


def slope(losses: Losses, z: Tensor) -> Tensor:
    """The gradient ``[m d]`` of each row's loss by that row; touches no other ``.grad``."""
    z = z.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(losses(z).sum(), z)
    return gradient
