"""Measure and record the tables.

    python -m transmodal.cookbook.papers.latent_transfer transfer labels ablation precision record

Values are kept in the work folder seed by seed: a run that was stopped goes on where it was, and
several may run side by side on different seeds. ``record`` writes results.json from them, and
``pictures`` the paper's figures. ``precision`` trains the bridge in fp32 and in bf16, whatever
``--precision`` says: that is of the base models it begins from.
"""

from __future__ import annotations

from pathlib import Path

import click

from transmodal.cookbook.command import RecipeCommand, numbers, tell, work_options
from transmodal.cookbook.papers.latent_transfer.experiments import (
    ABLATION,
    PAIRS,
    ablation,
    precisions,
    transfer,
    with_labels,
)
from transmodal.cookbook.papers.latent_transfer.labels import LABELS, SHARED_OUT, can_be_met
from transmodal.cookbook.papers.latent_transfer.pictures import draw
from transmodal.cookbook.work import Work, remembered, say
from transmodal.core.evaluation.results import record as record_result
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
                say("transfer", transfer(place, *PAIRS[number], seed, validate))
        if "precision" in what:
            say("precision", precisions(place, seed, validate))
        if "ablation" in what:
            say("ablation", ablation(place, seed, validate))
        if "labels" in what:
            for count in counts:
                say(f"{count} labels", with_labels(place, count, seed, validate))
    shown = place.folder if quick or validate else HERE
    if "record" in what:
        tell("recorded", record(place, shown / "results.json", seeds))
    if "pictures" in what:
        draw(place, [PAIRS[number] for number in pairs], shown / "pictures")


def record(work: Work, results: Path, seeds: list[int]) -> list[str]:
    """Write ``results`` from the values of all seeds, and tell the figures' names."""
    written: list[str] = []

    def read(stem: str) -> dict[int, dict[str, float]]:
        return remembered(work.folder / "values", stem, seeds)

    def put(name: str, stem: str, key: str, n: int | None, chance: float | None, what: str) -> None:
        found = {seed: v[key] for seed, v in read(stem).items() if key in v}
        if found:
            record_result(
                results, name, found, n=n, chance=chance,
                command=f"{COMMAND} {what} record{work.asked}",
            )  # fmt: skip
            written.append(name)

    for source, target in PAIRS:
        stem, first, second = f"{source}-{target}", source, target
        if source == target:
            second = f"{target}_b"
        sample = next(iter(read(stem).values()), {})
        ways = [(first, second, f"{source}->{target}")]
        back = f"{target}->{source}" if source != target else f"{source}->{target}/back"
        ways.append((second, first, back))
        for a, b, name in ways:
            n = int(sample.get(f"{a}->{b}/n", 0))
            put(name, stem, f"{a}->{b}", n, 0.1, "transfer")
            put(f"{name}/agreement", stem, f"{a}->{b}/agreement", n, 0.1, "transfer")
            put(f"{name}/frechet", stem, f"{a}->{b}/frechet", n, None, "transfer")
        for domain, shown in ((first, source), (second, target)):
            n = int(sample.get(f"{domain}->{domain}/n", 0))
            put(f"reconstruction/{shown}", stem, f"{domain}->{domain}", n, 0.1, "transfer")
            put(f"judge/{shown}", stem, f"judge/{domain}", n, 0.1, "transfer")
        put(f"{source}->{target}/heard", stem, f"{source}->{target}/heard", 1000, 0.1, "transfer")
    for count in LABELS:
        put(f"mnist->mnist@{count}", f"labels-{count}", "mnist->mnist_b", 5000, 0.1, "labels")
    for name in ABLATION:
        for key in (name, f"{name}@0.05"):
            put(f"ablation/{key}", "ablation", key, 5000, 0.1, "ablation")
    for key in ("fp32", "bf16"):
        put(f"precision/{key}", "precision", key, 5000, 0.1, "precision")
    put("bf16_speedup", "precision", "speedup", None, None, "precision")
    return written


if __name__ == "__main__":
    main()
