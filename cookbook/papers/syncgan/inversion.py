"""The published inversion, one query at a time, against ours: time and residual of the same.

Both look for all of z, concepts too, in the same generator, by the same distance.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import torch
from torch import Tensor

from transmodal.cookbook.papers.syncgan.experiments import garments, garments_tag
from transmodal.cookbook.papers.syncgan.sets import domain_set
from transmodal.cookbook.work import Work, translator_file
from transmodal.core.bridges.synchronizer import Synchronizer
from transmodal.core.errors import ReachError
from transmodal.core.latents.inversion import invert
from transmodal.core.latents.searches import AdamSearch, GradientDescent
from transmodal.core.seeds import derived_seed, seeded
from transmodal.core.signal import Signal

SOURCE = "digits"
BATCHED = AdamSearch(restarts=4, steps=100, prior=0.0)
QUERIES = 20
ROUNDS = 4  # of the batched search, taken in turn with the queries one by one
RATES = (0.0125, 0.00625, 0.003125, 0.0015625)  # the authors', and where it diverges, slower


def inversion(work: Work, seed: int) -> dict[str, float]:
    """Milliseconds a query and residuals of both searches, by the models of ``rates`` at 1."""

    def measure() -> dict[str, float]:
        bridge = garments(work, 1.0, seed).bridge
        assert isinstance(bridge, Synchronizer)
        test = domain_set(SOURCE).test
        generator = torch.Generator().manual_seed(derived_seed(seed, "inversion"))
        n = 4 if work.quick else QUERIES
        queries = test.take(torch.randperm(len(test), generator=generator)[:n])
        steps = 20 if work.quick else GradientDescent().steps
        slow, fast, far, rate = [], [], [], RATES[0]
        for i in range(n):
            seconds, residual, rate = descended(
                bridge, queries[i : i + 1], steps, rate, derived_seed(seed, "start", i)
            )
            slow.append(seconds)
            far.append(residual)
            if i % -(-n // ROUNDS) == 0:
                started = time.process_time()
                near = batched(bridge, queries, 4 if work.quick else BATCHED.steps)
                fast.append((time.process_time() - started) / n)
        variance = float(bridge.get_buffer(f"variance_{SOURCE}"))
        return {
            "speedup": statistics.median(slow) / statistics.median(fast),
            "ms/published": 1000 * statistics.median(slow),
            "ms/batched": 1000 * statistics.median(fast),
            "residual/published": statistics.fmean(far) / variance,
            "residual/batched": float(near.mean()) / variance,
            "nearer": float((near <= torch.tensor(far)).double().mean()),
            "rate": rate,
            "n": n,
        }

    return work.remember(f"inversion-{seed}", measure, [translator_file(garments_tag(1.0), seed)])


def descended(
    bridge: Synchronizer, query: Signal, steps: int, rate: float, seed: int
) -> tuple[float, float, float]:
    """Gradient descent on all of z from one draw of the prior.

    Args:
        bridge: whose generator is inverted.
        query: one item.
        steps: of the descent.
        rate: of the descent; where it diverges the next of ``RATES`` is taken.
        seed: of the start.

    Returns:
        Seconds of the descent, its residual, and its rate.

    Raises:
        ReachError: it diverges at every rate.
    """
    with seeded(seed):
        start = bridge.prior(1).vector[:, None]
    for each in RATES[RATES.index(rate) :]:
        search = GradientDescent(steps=steps, rate=each)
        started = time.process_time()
        try:
            found = invert(lambda z: bridge.make(z, [SOURCE])[SOURCE], query, start, search=search)
        except ReachError:
            continue
        return time.process_time() - started, float(found.residual), each
    raise ReachError(f"gradient descent diverges at every rate of {RATES}")


def batched(bridge: Synchronizer, queries: Signal, steps: int) -> Tensor:
    """``[b]`` residuals of all queries at once, from a learned start and the next likely ones."""
    search = replace(BATCHED, steps=steps)
    with torch.no_grad():
        guess = bridge.space.snap(bridge.inverses[SOURCE](queries).vector.float())
        starts = bridge.space.around(guess, search.restarts)
    return invert(
        lambda z: bridge.make(z, [SOURCE])[SOURCE], queries, starts, search=search
    ).residual
