"""Measure and record SyncGAN's experiments.

    python -m transmodal.cookbook.papers.syncgan rates rotated spoken transfer inversion ablation \\
        instruments record

Translators and values are kept in the folder given by ``--out``: a run that was stopped goes on
where it was. ``record`` writes results.json from them, and ``pictures`` draws.
"""

from __future__ import annotations

from pathlib import Path

import click

from transmodal.cookbook.command import RecipeCommand, numbers, tell, work_options
from transmodal.cookbook.papers.syncgan.experiments import (
    FRACTIONS,
    ablation,
    rates,
    rotated,
    spoken,
    transfer,
)
from transmodal.cookbook.papers.syncgan.figures import record
from transmodal.cookbook.papers.syncgan.instruments import FORMS, instruments
from transmodal.cookbook.papers.syncgan.inversion import inversion
from transmodal.cookbook.papers.syncgan.models import ABLATION
from transmodal.cookbook.papers.syncgan.pictures import draw
from transmodal.cookbook.work import Work, say
from transmodal.core.kernel.settings import Precision

RESULTS = Path(__file__).parent / "results.json"
PICTURES = Path(__file__).parent / "pictures"
WHAT = (
    "rates", "rotated", "spoken", "transfer", "inversion", "ablation", "instruments", "pictures",
    "record",
)  # fmt: skip


@click.command(cls=RecipeCommand, help=__doc__)
@click.argument("what", nargs=-1, required=True, type=click.Choice(WHAT))
@work_options("syncgan-work")
@click.option("--fractions", default=",".join(map(str, FRACTIONS)), show_default=True,
              type=numbers(float, can=FRACTIONS.__contains__, only=", ".join(map(str, FRACTIONS))),
              help="Of pairs, for rates.")  # fmt: skip
def main(
    what: tuple[str, ...],
    seeds: list[int],
    out: Path,
    fractions: list[float],
    quick: bool,
    precision: Precision,
) -> None:
    """Run the command line; its help is this module's docstring."""
    work = Work.of(out, quick, precision=precision)
    for name in what:
        if name == "rates":
            for fraction in fractions:
                for seed in seeds:
                    say(f"rates {fraction} {seed}", rates(work, fraction, seed))
        elif name == "ablation":  # one seed each, of the length of rates
            for part in ABLATION:
                say(part, ablation(work, part, seeds[0]))
        elif name == "instruments":
            for form in FORMS:
                say(f"{name} {form}", instruments(work, form, seeds[0]))
        elif name == "pictures":
            folder = PICTURES if not quick else work.folder / "pictures"
            tell("drew", draw(work, folder, seeds[0]))
        elif name == "record":
            results = RESULTS if not quick else work.folder / "results.json"
            tell("recorded", record(work, results, seeds))
        else:
            measure = {
                "rotated": rotated, "spoken": spoken, "transfer": transfer, "inversion": inversion,
            }[name]  # fmt: skip
            for seed in seeds:
                say(f"{name} {seed}", measure(work, seed))


if __name__ == "__main__":
    main()
