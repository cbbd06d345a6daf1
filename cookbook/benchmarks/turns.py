"""Timing in turns, so that whatever else the machine does slows all sides alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def in_turns(
    sides: Sequence[Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> list[list[float]]:
    """Seconds of each side in each round; every other round goes through them backwards.

    Nothing is called to warm up: who times does that before.

    Args:
        sides: what is timed.
        rounds: how often each is called.
        clock: the processor's, which a busy machine disturbs less; the wall's for sides that
            may use several threads.
    """
    times: list[list[float]] = [[] for _ in sides]
    for i in range(rounds):
        for which in range(len(sides))[:: -1 if i % 2 else 1]:
            begun = clock()
            sides[which]()
            times[which].append(clock() - begun)
    return times
