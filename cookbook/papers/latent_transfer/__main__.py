"""Measure and record the tables.

    python -m transmodal.cookbook.papers.latent_transfer transfer labels ablation precision record

Values are kept in the work folder seed by seed: a run that was stopped goes on where it was, and
several may run side by side on different seeds. ``record`` writes results.json from them, and
``pictures`` the paper's figures. ``precision`` trains the bridge in fp32 and in bf16, whatever
``--precision`` says: that is of the base models it begins from.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from transmodal.cookbook.command import RecipeCommand, numbers, tell, work_options
from transmodal.cookbook.papers.latent_transfer.experiments import (
    ABLATION,
    PAIRS,
    ablation,
    transfer,
    with_labels,
)
from transmodal.cookbook.papers.latent_transfer.labels import LABELS, SHARED_OUT, can_be_met
from transmodal.cookbook.papers.latent_transfer.pictures import draw
from transmodal.cookbook.papers.latent_transfer.precision import precisions
from transmodal.cookbook.recording import Recorder
from transmodal.cookbook.work import Work, say
from transmodal.core.kernel.settings import Precision

HERE = Path(__file__).parent
COMMAND = "python -m transmodal.cookbook.papers.latent_transfer"
COUNTS = f"0, 10, multiples of 20 up to {SHARED_OUT}, and {LABELS[-1]}"
WHAT = ("transfer", "labels", "ablation", "precision", "record", "pictures")


@click.command(cls=RecipeCommand, help=__doc__)
@click.argument("what", nargs=-1, required=True, type=click.Choice(WHAT))
@work_options("latent-transfer-work")
@click.option("--pairs", default="0,1,2", show_default=True, type=numbers(highest=len(PAIRS) - 1),
              help=f"Which of {PAIRS}, by number.")  # fmt: skip
@click.option("--counts", default=",".join(map(str, LABELS)), show_default=True,
              type=numbers(can=can_be_met, only=COUNTS),
              help="How many labels in all.")  # fmt: skip
@click.option("--validate", is_flag=True, help="Measure on held-back training items instead.")
def main(
    what: tuple[str, ...],
    seeds: list[int],
    out: Path,
    pairs: list[int],
    counts: list[int],
    quick: bool,
    precision: Precision,
    validate: bool,
) -> None:
    """Run the command line; its help is this module's docstring."""
    place = Work.of(out, quick, validate, precision=precision)
    for seed in seeds:
        if "transfer" in what:
            for number in pairs:
                say("transfer", transfer(place, *PAIRS[number], seed))
        if "precision" in what:
            say("precision", precisions(place, seed))
        if "ablation" in what:
            say("ablation", ablation(place, seed))
        if "labels" in what:
            for count in counts:
                say(f"{count} labels", with_labels(place, count, seed))
    shown = place.folder if quick or validate else HERE
    if "record" in what:
        tell("recorded", record(place, shown / "results.json", seeds))
    if "pictures" in what:
        tell("drew", draw(place, [PAIRS[number] for number in pairs], shown / "pictures"))


def record(work: Work, results: Path, seeds: list[int]) -> list[str]:
    """Write ``results`` from the values of all seeds, and tell the figures' names."""
    to = Recorder(work, results, seeds, COMMAND)
    for source, target in PAIRS:
        values = to.read(f"{source}-{target}")
        put = partial(to.put, values=values, verb="transfer")
        first, second = source, target
        if source == target:
            second = f"{target}_b"
        ways = [(first, second, f"{source}->{target}")]
        back = f"{target}->{source}" if source != target else f"{source}->{target}/back"
        ways.append((second, first, back))
        for a, b, name in ways:
            n = f"{a}->{b}/n"
            put(name, key=f"{a}->{b}", n=n, chance=0.1)
            put(f"{name}/agreement", key=f"{a}->{b}/agreement", n=n, chance=0.1)
            put(f"{name}/frechet", key=f"{a}->{b}/frechet", n=n)
        for domain, shown in ((first, source), (second, target)):
            n = f"{domain}->{domain}/n"
            put(f"reconstruction/{shown}", key=f"{domain}->{domain}", n=n, chance=0.1)
            put(f"judge/{shown}", key=f"judge/{domain}", n=n, chance=0.1)
        heard = f"{source}->{target}/heard"
        put(heard, key=heard, n=f"{heard}/n", chance=0.1)
    for count in LABELS:
        values = to.read(f"labels-{count}")
        to.put(f"mnist->mnist@{count}", values, "mnist->mnist_b", "labels", chance=0.1)
    values = to.read("ablation")
    for name in ABLATION:
        for key in (name, f"{name}@0.05"):
            to.put(f"ablation/{key}", values, key, "ablation", chance=0.1)
    values = to.read("precision")
    for key in ("fp32", "bf16"):
        to.put(f"precision/{key}", values, key, "precision", chance=0.1)
    to.put("bf16_speedup", values, "speedup", "precision", n=None)
    return to.written


if __name__ == "__main__":
    main()
