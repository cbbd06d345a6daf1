"""Noise: the states of every random generator a run may draw from."""

from __future__ import annotations

import base64
import random
from typing import Any

import numpy
import torch


def seed(value: int) -> None:
    """Seed torch (every device), Python and NumPy."""
    torch.manual_seed(value)
    random.seed(value)
    numpy.random.seed(value % 2**32)


def capture() -> dict[str, Any]:
    """The generators' states, ready for JSON."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = numpy.random.get_state(legacy=True)
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {
        "torch": _pack(torch.get_rng_state()),
        "cuda": [_pack(state) for state in devices],
        "python": [version, list(words), gauss],
        "numpy": [str(name), [int(key) for key in keys], position, has_gauss, cached],
    }


def restore(states: dict[str, Any]) -> None:
    """Put the generators where ``capture`` found them."""
    torch.set_rng_state(_unpack(states["torch"]))
    if states["cuda"] and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all([_unpack(state) for state in states["cuda"]])
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = states["numpy"]
    numpy.random.set_state(
        (name, numpy.array(keys, dtype=numpy.uint32), position, has_gauss, cached)
    )


def _pack(state: torch.Tensor) -> str:
    return base64.b64encode(bytes(state.cpu().tolist())).decode()


def _unpack(text: str) -> torch.Tensor:
    return torch.tensor(list(base64.b64decode(text)), dtype=torch.uint8)
