"""What the clauses of both contracts share: how they fail, and common questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...core.config import Configurable, build
from ...core.errors import PluginError, TransmodalError
from ..entries import NAME, reason

CLOSE = 1e-4  # float32 sums over a few thousand terms in another order agree to about 1e-5


class Broken(Exception):
    """A clause does not hold."""


def expect(holds: bool, expected: str, found: object) -> None:
    """Break the clause, saying what was found, unless it holds."""
    if not holds:
        raise Broken(f"expected {expected}, found {found}")


@contextmanager
def clause(subject: str, name: str) -> Iterator[None]:
    """Run a clause from a fixed seed, and turn whatever goes wrong into a ``PluginError``."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    try:
        yield
    except Broken as broken:
        raise PluginError(f"{subject} breaks the contract at {name!r}: {broken}") from None
    except Exception as error:
        raise PluginError(
            f"{subject} breaks the contract at {name!r}: expected no error, found {reason(error)}"
        ) from error
    finally:
        torch.set_rng_state(state)


def refuses(call: Callable[[], object], kind: type[TransmodalError], asked: str) -> None:
    """``call`` must raise ``kind``, and nothing else."""
    try:
        found: object = call()
    except kind:
        return
    except Exception as error:
        raise Broken(f"expected a {kind.__name__} from {asked}, found {reason(error)}") from error
    raise Broken(f"expected a {kind.__name__} from {asked}, found {type(found).__name__}")


def check_settings(subject: Configurable, name: object) -> None:
    """Settings survive JSON, make an equal twin, and stand in the repr."""
    expect(
        isinstance(name, str) and NAME.fullmatch(name) is not None,
        "a name of lower-case letters, digits and hyphens",
        repr(name),
    )
    settings = subject.settings()
    try:
        again = json.loads(json.dumps(settings))
    except TypeError as error:
        raise Broken(f"expected settings JSON can hold, found {reason(error)}") from error
    twin = build(type(subject), again, str(name)).settings()
    expect(_plain(twin) == _plain(settings), f"a twin with settings {settings}", twin)
    expect(
        all(f"{key}=" in repr(subject) for key in settings),
        "a repr that shows every setting",
        repr(subject),
    )


def _plain(settings: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(settings))


def perturb(module: nn.Module) -> None:
    """Move parameters off their start, where a zero may hide a path gradients take."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)


def check_gradients(named: Mapping[str, Tensor]) -> None:
    """Every one of these parameters has a finite gradient that is not all zero."""
    missing = [name for name, p in named.items() if p.grad is None or not bool(p.grad.any())]
    expect(not missing, "a gradient at every parameter", f"none at {', '.join(missing)}")
    wild = [name for name, p in named.items() if p.grad is None or not p.grad.isfinite().all()]
    expect(not wild, "finite gradients", f"others at {', '.join(wild)}")


def check_finite(values: Tensor, what: str) -> None:
    """Every number of ``values`` is finite."""
    wild = int((~torch.isfinite(values)).sum())
    expect(wild == 0, f"{what} of finite numbers", f"{wild} that are not")


def check_same(first: Tensor, second: Tensor, expected: str, tolerance: float = 0.0) -> None:
    """Two tensors of one shape agree within a tolerance relative to their size."""
    expect(first.shape == second.shape, expected, f"{list(first.shape)}, {list(second.shape)}")
    scale = max(1.0, float(first.abs().max()) if first.numel() else 0.0)
    apart = float((first.float() - second.float()).abs().max()) if first.numel() else 0.0
    expect(apart <= tolerance * scale, expected, f"a difference of {apart:g}")


def check_alone(company: Tensor, alone: Tensor, expected: str, tolerance: float = CLOSE) -> None:
    """An item among others is what it is alone, but for zeros that pad it to their length."""
    if company.ndim > 1 and company.shape[1] > alone.shape[1]:
        spare = company[:, alone.shape[1] :]
        expect(not bool(spare.any()), f"{expected}, padded with zeros", "padding that is not 0")
        company = company[:, : alone.shape[1]]
    check_same(company, alone, expected, tolerance)


def weighted(values: Tensor) -> Tensor:
    """A scalar on which every element of ``values`` has an influence of its own."""
    return (values.float() * torch.randn(values.shape)).sum()
