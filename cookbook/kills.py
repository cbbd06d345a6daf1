"""Kills: trainings in processes of their own, killed -9 at random moments until they are done."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Timer
from typing import Any

import click

MODEL = "model.safetensors"
BEGUN = "begun"  # what a training says when its first event comes


def announce() -> Callable[[Any], None]:
    """What a training calls with every event; it says ``BEGUN`` at the first."""
    said: list[Any] = []

    def begun(event: Any) -> None:
        if not said:
            print(BEGUN, flush=True)
            said.append(event)

    return begun


def play(arguments: Sequence[str], seconds: float | None) -> bool:
    """Run ``python -m`` with these arguments, killed so long after its first event.

    Returns:
        Whether it was killed (else it came to its end).

    Raises:
        SystemExit: it failed.
    """
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        heard = process.stdout.readline().strip()
        timer = Timer(seconds if seconds is not None else 1e6, process.kill)
        if heard == BEGUN and seconds is not None:
            timer.start()
        code = process.wait()
        timer.cancel()
    if code not in (0, -9):
        raise SystemExit(f"a training ({' '.join(arguments)}) failed with status {code}")
    return code == -9


def chains(
    arguments: Callable[[Path], Sequence[str]], work: Path, kills: int, longest: float, seed: int
) -> tuple[int, int]:
    """Kill until it is enough; when a training comes to its end, another one begins.

    Args:
        arguments: from a folder to those of ``python -m`` that train there and leave ``MODEL``.
        work: an empty folder.
        kills: how many.
        longest: seconds a training may live before it is killed.
        seed: of the moments.

    Returns:
        Kills after which the final weights were those of the unbroken training, and all kills.
    """
    draw = random.Random(seed)
    play(arguments(work / "unbroken"), None)
    wanted = (work / "unbroken" / MODEL).read_bytes()
    survived = done = 0
    while done < kills:
        broken, mine, begun = work / "broken", 0, time.monotonic()
        shutil.rmtree(broken, ignore_errors=True)
        while play(arguments(broken), draw.uniform(0, longest) if done < kills else None):
            mine, done = mine + 1, done + 1
            click.echo(f"killed {done} of {kills}", err=True)
        same = (broken / MODEL).read_bytes() == wanted
        survived += mine if same else 0
        verdict = "the same weights" if same else "OTHER WEIGHTS"
        spent = time.monotonic() - begun
        click.echo(f"{mine} kills, then {verdict} ({spent:.0f} s)", err=True)
    return survived, done
