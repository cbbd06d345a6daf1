"""Joint samples in pieces, for measures over many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import torch

from ..config import check_number
from ..errors import DataError, SettingError
from ..seeds import derived_seed, seeded
from ..signal import Signal
from ..translator import Translator


class Sampler(Protocol):
    """What makes joint samples: a ``Bridge`` that has a prior."""

    def sample(self, n: int, domains: Sequence[str]) -> Mapping[str, Signal]: ...


def joint_samples(
    model: Sampler | Translator,
    n: int,
    domains: Sequence[str],
    *,
    seed: int = 0,
    batch: int = 500,
) -> Iterator[dict[str, Signal]]:
    """Joint samples on the CPU, at most ``batch`` at once: item i of every domain belongs together.

    Each piece has a seed of its own, so that a longer run begins with the samples of a shorter
    one, and torch's random state stays as it was.

    Args:
        model: a translator, or its bridge.
        n: samples in all.
        domains: whose.
        seed: of the draws. The samples are a function of (seed, batch).
        batch: samples made at once.

    Raises:
        SettingError: n or batch is below 1, or the translator has no weights.
        UnsupportedError: the bridge has no prior.
        DataError: a sample holds values that are not finite, which no judge can read.
    """
    check_number("samples", "n", n, 1, integer=True)
    check_number("samples", "batch", batch, 1, integer=True)
    bridge: Sampler = model.bridge if isinstance(model, Translator) else model
    if isinstance(model, Translator) and not model.connected:
        raise SettingError("this translator has no weights to sample with; call fit, or load one")
    for start in range(0, n, batch):
        count = min(batch, n - start)
        with seeded(derived_seed(seed, "samples", start)), torch.no_grad():
            made = bridge.sample(count, domains)
        piece = {domain: made[domain].to("cpu") for domain in domains}
        for domain, signal in piece.items():
            bad = int((~signal.values.isfinite()).flatten(1).any(1).sum())
            if bad:
                raise DataError(
                    f"{bad} of {count} samples of {domain!r} hold values that are not finite; "
                    "its generator has diverged, go back to an earlier state"
                )
        yield piece
