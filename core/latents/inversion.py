"""Inversion: the latent vectors whose generated signals are nearest to queries.

``z* = argmin_z distance(decode(z), query) + prior ||z||^2`` for every query by itself: an
answer depends neither on its batch nor on its place in it.

Source: SyncGAN Eq. 3; CoGAN sec. 5 (cross-domain image transformation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DataError
from ..progress import Tick
from ..signal import Signal
from .reach import Decode, Distance, best_ends, compare, made_by, require_finite, squared_error
from .searches import Search

Score = Callable[[Tensor, Signal], Tensor]  # z [m d], query -> [m], higher is better


@dataclass(frozen=True)
class Inversion:
    """What was found for each query.

    Args:
        z: ``[b d]`` latent vectors, float32.
        residual: ``[b]`` their distances to the queries, without the prior's share.
    """

    z: Tensor
    residual: Tensor


def invert(
    decode: Decode,
    query: Signal,
    starts: Tensor,
    *,
    search: Search,
    distance: Distance = squared_error,
    score: Score | None = None,
    tick: Tick | None = None,
    normal: int | None = None,
) -> Inversion:
    """The latent vector nearest to each query, of the ends of walks from its starts.

    Parameters' ``.grad`` and ``requires_grad`` are left alone; a generator with batch
    statistics belongs in eval mode. A prior that is uniform in (-1, 1) becomes Normal by
    ``decode = lambda z: g(erf(z / sqrt(2)))``.

    Args:
        decode: ``[m d]`` -> m signals; a row of its output depends on that row only.
        query: b signals, on the device where ``decode`` works.
        starts: ``[b r d]``, r of each query; ``search.restarts`` does not count.
        search: how.
        distance: made signals, queries -> ``[m]`` >= 0; computed in float32.
        score: z ``[m d]``, queries -> ``[m]``; the restart of the highest score is kept, that
            of the lowest distance when not given. The search itself follows the distance.
        tick: called with (steps done, steps in all) after every step.
        normal: the search's prior draws the first so many dimensions towards 0, all of them
            when None: where the others hold a code that ``decode`` snaps, it would wear that
            code away.

    Raises:
        DataError: a query is not finite; what a function gives has a wrong shape.
        ReachError: no restart of a query ended in finite numbers.
        UnsupportedError: ``decode`` or ``distance`` is not differentiable.
    """
    b, r, d = starts.shape
    require_finite(query)
    if b == 0:
        return Inversion(starts.new_zeros(0, d), starts.new_zeros(0))
    ends, residuals, ranks = [], [], []
    chunks = torch.arange(b * r, device=starts.device).split(search.chunk)
    total, done = search.steps * len(chunks), 0

    def step() -> None:
        nonlocal done
        done += 1
        if tick is not None:
            tick(done, total)

    with torch.inference_mode(False), torch.enable_grad():
        for i, rows in enumerate(chunks):
            wanted = query[rows // r]

            def losses(z: Tensor, wanted: Signal = wanted) -> Tensor:
                far = compare(distance, made_by(decode, z), wanted)
                return far + search.prior * z[:, :normal].square().sum(1)

            z = search.descend(losses, starts[rows // r, rows % r].float(), step).detach()
            if done < (i + 1) * search.steps:  # it ended sooner
                done = (i + 1) * search.steps - 1
                step()
            ends.append(z)
            with torch.no_grad():
                residuals.append(compare(distance, made_by(decode, z), wanted))
                ranks.append(residuals[-1] if score is None else -_scores(score, z, wanted))
        z, residual, rank = torch.cat(ends), torch.cat(residuals), torch.cat(ranks)
        best = best_ends(rank.view(b, r), residual.view(b, r), z.view(b, r, d))
        kept = torch.arange(b, device=best.device) * r + best
        return Inversion(z[kept], residual[kept])


def _scores(score: Score, z: Tensor, query: Signal) -> Tensor:
    found = score(z, query)
    if found.shape != z.shape[:1]:
        raise DataError(
            f"a score is one number for each of {len(z)} items, not shape {tuple(found.shape)}"
        )
    return found.float()
