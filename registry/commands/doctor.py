"""``transmodal doctor``: whether this machine has what transmodal needs."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

import click

from ...core.errors import TransmodalError
from ..entries import reason
from ..registry import Registry
from .cli import pass_registry

if TYPE_CHECKING:
    import torch

SIDE = 512  # of the matrices timed
NAME = re.compile(r"^([A-Za-z0-9._-]+)[^;]*$")  # wanted wherever it runs
EXTRA = re.compile(r"^([A-Za-z0-9._-]+).*;.*extra\s*==\s*['\"]([^'\"]+)['\"]")


@click.command()
@pass_registry
def doctor(registry: Registry) -> None:
    """Check Python, torch, devices, precisions, libraries, extras and plugins."""
    healthy = True
    for good, line in [*machine(), *libraries(), *plugins(registry)]:
        mark = {True: "ok     ", False: "FAILED ", None: "-      "}[good]
        click.echo(mark + line)
        healthy = healthy and good is not False
    if not healthy:
        raise click.exceptions.Exit(1)


def machine() -> Iterator[tuple[bool | None, str]]:
    """Python, torch, and each device with the precisions that run on it."""
    yield True, f"python {platform.python_version()}"
    try:
        import torch
    except (ImportError, OSError) as error:
        yield False, f"torch: {reason(error)}; pip install 'torch>=2.6'"
        return
    yield True, f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    devices = ["cpu", *(f"cuda:{k}" for k in range(torch.cuda.device_count()))]
    for device in devices:
        if device != "cpu":
            yield True, f"{device}: {torch.cuda.get_device_name(device)}"
        full = _seconds(device, None)
        for dtype in (torch.bfloat16, torch.float16):
            name = str(dtype).removeprefix("torch.")
            try:
                ratio = full / _seconds(device, dtype)
            except RuntimeError as error:
                yield None, f"{device}: {name} does not run: {reason(error)}"
            else:
                yield True, f"{device}: {name} runs, {ratio:.2f} x the speed of float32"
    if len(devices) == 1:
        yield None, "no CUDA device found; everything runs on the CPU, only slower"


def _seconds(device: str, dtype: torch.dtype | None) -> float:
    """Shortest of five matrix products, forward and backward, under autocast."""
    import torch

    kind = torch.device(device).type
    wait: Callable[[], None] = torch.cuda.synchronize if kind == "cuda" else lambda: None
    a = torch.randn(SIDE, SIDE, device=device, requires_grad=True)
    times = []
    for _ in range(6):
        wait()
        start = time.perf_counter()
        with torch.autocast(kind, dtype, enabled=dtype is not None):
            product = a @ a
        product.float().sum().backward()
        wait()
        times.append(time.perf_counter() - start)
    return min(times[1:])  # the first one warms up


def libraries() -> Iterator[tuple[bool | None, str]]:
    """What is missing of the libraries it cannot do without, and of each optional extra."""
    wanted: dict[str, list[str]] = {}
    for requirement in requires("transmodal") or []:
        if found := EXTRA.match(requirement):
            wanted.setdefault(found[2], []).append(found[1])
        elif (name := NAME.match(requirement)) and not _installed(name[1]):
            yield False, f"{name[1]} is not installed; pip install '{requirement}'"
    for extra, names in wanted.items():
        missing = [name for name in names if not _installed(name)]
        if missing:
            line = f"extra {extra!r} lacks {', '.join(missing)}"
            yield None, f"{line}; pip install 'transmodal[{extra}]'"
        else:
            yield True, f"extra {extra!r}: {', '.join(names)}"


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def plugins(registry: Registry) -> Iterator[tuple[bool | None, str]]:
    """Every registered name, its class imported now."""
    load = {
        "modality": registry.modality,
        "bridge": registry.bridge,
        "command": registry.command,
    }
    for kind, resolve in load.items():
        for name in registry.names(kind):
            try:
                resolve(name)
            except TransmodalError as error:
                yield False, str(error)
            else:
                yield True, f"{kind} {name}"
    for failure in registry.failures:
        yield False, str(failure)
