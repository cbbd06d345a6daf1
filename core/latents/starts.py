"""Where searches for latent vectors start: draws of the prior, or those nearest to a query."""

from __future__ import annotations

import torch
from torch import Tensor

from ..signal import Signal
from .reach import Decode, Distance, compare, made_by


def prior_starts(count: int, width: int, seed: int) -> Tensor:
    """``[count width]`` draws of N(0, I) that depend on the seed only; on the CPU."""
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def nearest_starts(
    decode: Decode, query: Signal, draws: Tensor, count: int, *, distance: Distance, chunk: int
) -> Tensor:
    """For each query the draws whose signals are nearest to it, nearest first.

    Every draw is generated once, whatever the number of queries: many draws cost little.

    Args:
        decode, distance: as for ``invert``.
        query: b signals.
        draws: ``[p d]``, on the queries' device.
        count: draws for each query, <= p.
        chunk: most signals made or compared at once.

    Returns:
        ``[b count d]``.
    """
    made = Signal.cat([made_by(decode, part) for part in draws.split(chunk)])
    pairs = torch.arange(len(query) * len(draws), device=draws.device).split(chunk)
    apart = [
        compare(distance, made[rows % len(draws)], query[rows // len(draws)]) for rows in pairs
    ]
    table = torch.cat(apart).view(len(query), len(draws)).nan_to_num(torch.inf)
    return draws[table.topk(count, largest=False).indices]
