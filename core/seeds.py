"""Seeds that follow from other seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derived_seed(*parts: object) -> int:
    """A seed that depends on all the parts and on nothing else (63 bits)."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's generator of the CPU begins anew from a seed, and is afterwards what it was before.

    Other devices' generators are left alone, in contrast to ``torch.manual_seed``: what is drawn
    within must be drawn on the CPU.
    """
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
