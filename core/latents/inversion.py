"""Inversion: the latent vectors whose generated signals are nearest to queries.

``z* = argmin_z distance(decode(z), query) + prior ||z||^2`` for every query by itself: an
answer depends neither on its batch nor on its place in it.

Source: SyncGAN Eq. 3; CoGAN sec. 5 (cross-domain image transformation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import check_number
from ..errors import DataError
from ..signal import Signal
from .reach import Decode, Distance, best_ends, compare, made_by, require_finite, squared_error
from .searches import AdamSearch, Search
from .starts import nearest_starts, prior_starts

Score = Callable[[Tensor, Signal], Tensor]  # z [m d], query -> [m], higher is better
Tick = Callable[[int, int], None]  # steps done, steps in all


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
    width: int,
    *,
    search: Search | None = None,
    distance: Distance = squared_error,
    score: Score | None = None,
    start: Tensor | None = None,
    seed: int = 0,
    tick: Tick | None = None,
    progress: bool = False,
) -> Inversion:
    """The latent vector nearest to each query; for z ~ N(0, I).

    The random draws come from ``seed`` alone and are the same for every query. A prior that
    is uniform in (-1, 1) becomes Normal by ``decode = lambda z: g(erf(z / sqrt(2)))``.
    Parameters' ``.grad`` and ``requires_grad`` are left alone; a generator with batch
    statistics belongs in eval mode (see ``evaluating``).

    Args:
        decode: ``[m d]`` -> m signals; a row of its output depends on that row only.
        query: b signals, on the device where ``decode`` works.
        width: d.
        search: how; ``AdamSearch()`` when not given.
        distance: made signals, queries -> ``[m]`` >= 0; computed in float32.
        score: z ``[m d]``, queries -> ``[m]``; the restart of the highest score is kept, that
            of the lowest distance when not given. The search itself follows the distance.
        start: ``[b d]``, a learned encoder's answer: takes the place of one other start.
        seed: of the random draws that searches start from.
        tick: called with (steps done, steps in all) after every step.
        progress: show a bar on standard error.

    Raises:
        DataError: a query is not finite; ``start`` or what a function gives has a wrong shape.
        ReachError: no restart of a query ended in finite numbers.
        UnsupportedError: ``decode`` or ``distance`` is not differentiable.
    """
    search = search or AdamSearch()
    check_number("inversion", "width", width, 1, integer=True)
    if start is not None and start.shape != (len(query), width):
        raise DataError(
            f"{len(query)} queries and a latent space of {width} need starts "
            f"[{len(query)} {width}], not {tuple(start.shape)}"
        )
    require_finite(query)
    draws = prior_starts(search.pool or search.restarts, width, seed).to(query.values.device)
    starts = draws.expand(len(query), -1, -1)
    if search.pool and len(query):
        starts = nearest_starts(
            decode, query, draws, search.restarts, distance=distance, chunk=search.chunk
        )
    if start is not None:
        starts = torch.cat([start.detach().float()[:, None].to(starts.device), starts[:, :-1]], 1)
    with _bar(tick) if progress else nullcontext(tick) as shown:
        return invert_from(
            decode, query, starts, search=search, distance=distance, score=score, tick=shown
        )


def invert_from(
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
    """As ``invert``, from given starts ``[b r d]``; ``search.restarts`` does not count.

    The search's prior draws the first ``normal`` dimensions towards 0, all of them when None:
    where the others hold a code that ``decode`` snaps, it would wear that code away.
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


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Hold modules in eval mode, and give each part its own mode back afterwards."""
    parts = [part for module in modules for part in module.modules()]
    modes = [part.training for part in parts]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode


def _scores(score: Score, z: Tensor, query: Signal) -> Tensor:
    found = score(z, query)
    if found.shape != z.shape[:1]:
        raise DataError(
            f"a score is one number for each of {len(z)} items, not shape {tuple(found.shape)}"
        )
    return found.float()


@contextmanager
def _bar(tick: Tick | None) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("inversion", total=None)

        def both(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            if tick is not None:
                tick(done, total)

        yield both
