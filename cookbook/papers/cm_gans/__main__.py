"""Measure and record the paper's figures, and those of the methods it is compared with.

    python -m transmodal.cookbook.papers.cm_gans compare ablate record report

``choose`` lets every method choose its settings anew on validation items (into choices.json,
which ``compare`` reads). Values are kept in the work folder: a run that was stopped goes on
where it was. ``record`` writes results.json from them, and ``report`` a page of rankings.
"""

from __future__ import annotations

from pathlib import Path

import click

from transmodal.cookbook.command import RecipeCommand, named, options, tell
from transmodal.cookbook.papers.cm_gans.experiments import DATA, Run
from transmodal.cookbook.papers.cm_gans.methods import CHOICES, METHODS
from transmodal.cookbook.papers.cm_gans.record import record
from transmodal.cookbook.papers.cm_gans.report import report

HERE = Path(__file__).parent
WHAT = ("choose", "compare", "ablate", "record", "report")


@click.command(cls=RecipeCommand, help=__doc__)
@click.argument("what", nargs=-1, required=True, type=click.Choice(WHAT))
@click.option(
    "--data", default=",".join(DATA), show_default=True, type=named(DATA), help="Which sets."
)
@click.option(
    "--methods",
    default=",".join(METHODS),
    show_default=True,
    type=named(METHODS),
    help="Which methods.",
)
@options("cm-gans-work")
def main(
    what: tuple[str, ...], data: tuple[str, ...], methods: tuple[str, ...], seeds: list[int],
    out: Path, quick: bool,
) -> None:  # fmt: skip
    """Run the command line; its help is this module's docstring."""
    run = Run(out, quick)
    for name in data:
        if "choose" in what:
            # a quick look chooses nothing that would be kept
            path = run.values / "choices.json" if quick else CHOICES
            for method, choice in run.choose(name, path, methods):
                click.echo(f"{name} {method}: {choice}")
        for seed in seeds:
            if "compare" in what:
                for method, value in run.compare(name, methods, seed):
                    click.echo(f"{name} {method} {seed}: MAP {value:.4f}")
            if "ablate" in what:
                for row, value in run.ablate(name, seed):
                    click.echo(f"{name} ablation {row} {seed}: MAP {value:.4f}")
    if "record" in what:
        tell("recorded", record(run, run.values if quick else HERE, seeds, data))
    if "report" in what:
        for name in data:
            click.echo(f"wrote {report(run, name, seeds[0])}")


if __name__ == "__main__":
    main()
