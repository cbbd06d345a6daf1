"""A step of our two adversarial bridges against hand-written loops of the same games.

    python -m transmodal.cookbook.benchmarks.game_step [--rounds 15] [--case NAME] [--record]

The loops are those of ``hand_loops``, in fp32; ours run under the kernel, in fp32 or bf16. Both
sides play the same game on the same nets: batch 128 in each of two domains of 28 x 28 pixels,
CoGAN's nets at a quarter of the published width, SyncGAN's as published (BatchNorm in the
generators only). tests/cookbook/test_game_step.py holds that both end in the same weights. Ours
pass each generator once a step, tied layers once for all domains, and critics once for real and
generated items; Adam is fused, and weights are laid out with channels last.

Short rounds of both alternate; medians of paired ratios and their quartiles. Time is the
processor's, on one thread, so that a busy machine disturbs it less.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from transmodal.cookbook.benchmarks import hand_loops
from transmodal.cookbook.benchmarks.command import given, in_rounds, of_cases, to_record
from transmodal.cookbook.benchmarks.turns import in_turns
from transmodal.cookbook.command import RecipeCommand
from transmodal.cookbook.papers.cogan.networks import CoGANImage
from transmodal.cookbook.papers.syncgan.networks import SyncGANImage
from transmodal.core.bridges.synchronizer import Synchronizer
from transmodal.core.bridges.weight_tying import WeightTying
from transmodal.core.evaluation.results import record
from transmodal.core.kernel import Kernel, Progress, Training
from transmodal.core.kernel.settings import Precision
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table

PAPERS = Path(__file__).parent.parent / "papers"
ITEMS, BATCH, PAIRS = 2048, 128, 64
DOMAINS = ("a", "b")
PLAIN = {"r1": 0.0, "weight_decay": 0.0, "ema": None, "inverse_steps": 0, "steps": 10**9}


@dataclass(frozen=True)
class Case:
    """What is timed.

    Args:
        paper: whose game, a folder of ``cookbook/papers``.
        precision: of our side.
    """

    paper: str
    precision: Precision


CASES = {
    "cogan/fp32": Case("cogan", "fp32"),
    "cogan/bf16": Case("cogan", "bf16"),
    "syncgan/fp32": Case("syncgan", "fp32"),
    "syncgan/bf16": Case("syncgan", "bf16"),
}


def bridge_of(paper: str, width: float = 0.25, **changes: Any) -> WeightTying | Synchronizer:
    """The bridge of a paper's game with plain settings, joined to two domains of its nets."""
    torch.manual_seed(0)
    if paper == "cogan":
        tying = WeightTying(**{**WeightTying.published["digits"], **PLAIN, **changes})
        tying.connect({name: CoGANImage(width) for name in DOMAINS}, 0)
        return tying
    synchronizer = Synchronizer(**{**Synchronizer.published["digits"], **PLAIN, **changes})
    synchronizer.connect({name: SyncGANImage() for name in DOMAINS}, 0)
    return synchronizer


def pictures() -> dict[str, Tensor]:
    """Smooth random pictures of both domains, those of one place alike."""
    coarse = torch.rand(ITEMS, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, (28, 28), mode="bilinear")
    return {"a": fine, "b": 1 - fine}


def by_hand(paper: str, data: dict[str, Tensor], steps: int) -> Iterator[None]:
    """The hand-written loop; yields after every so many steps."""
    bridge = bridge_of(paper).train()
    step = (
        hand_loops.cogan(bridge) if isinstance(bridge, WeightTying) else hand_loops.syncgan(bridge)
    )
    feed = hand_loops.batches(data, BATCH, PAIRS)
    while True:
        for _ in range(steps):
            step(next(feed))
        yield


def ours(case: Case, data: dict[str, Tensor], steps: int) -> Iterator[None]:
    """The same game under the kernel; yields after every so many steps."""
    bridge = bridge_of(case.paper)
    labels = torch.full((ITEMS,), -1)
    table = Table({name: Memory(Signal(values), labels) for name, values in data.items()})
    settings = Training(precision=case.precision, device="cpu", log_every=steps, channels_last=True)
    for event in Kernel(bridge, bridge.stages(), table, settings).run():
        if isinstance(event, Progress):
            yield


def measure(case: Case, rounds: int, steps: int = 2) -> dict[str, Any]:
    """Time both sides of a case, in turns."""
    data = pictures()
    runs = [by_hand(case.paper, data, steps), ours(case, data, steps)]
    for run in runs:
        next(run)
    times = in_turns([partial(next, run) for run in runs], rounds)
    low, middle, high = statistics.quantiles([a / b for a, b in zip(*times, strict=True)], n=4)
    hand, mine = (statistics.median(side) / steps * 1e3 for side in times)
    return {"hand_ms": hand, "ours_ms": mine, "speedup": middle, "quartiles": (low, high)}


@click.command(cls=RecipeCommand, help=__doc__)
@in_rounds(15, least=2)
@of_cases(CASES)
@to_record
def main(rounds: int, cases: tuple[str, ...], recorded: bool) -> None:
    """Run the command line; its help is this module's docstring."""
    torch.set_num_threads(1)
    for name in cases:
        case = CASES[name]
        found = measure(case, rounds)
        low, high = found["quartiles"]
        click.echo(
            f"{name:13} by hand {found['hand_ms']:6.1f} ms  ours {found['ours_ms']:6.1f} ms  "
            f"x {found['speedup']:.2f} [{low:.2f}, {high:.2f}]"
        )
        if recorded:
            path, figure = PAPERS / case.paper / "results.json", f"speedup/{case.precision}"
            command = "python -m transmodal.cookbook.benchmarks.game_step --record"
            command += given("rounds")
            record(path, figure, {0: found["speedup"]}, n=rounds, command=command)


if __name__ == "__main__":
    main()
