"""Measure and record the paper's figures.

    python -m transmodal.cookbook.papers.cogan edges negatives adaptation tied lead rotation transform record

Values are kept in the work folder seed by seed: a run that was stopped goes on where it was.
``record`` writes results.json from them, and ``pictures`` the figures.
"""  # noqa: E501

from __future__ import annotations

from pathlib import Path

import click

from transmodal.cookbook.command import RecipeCommand, named, numbers, tell, work_options
from transmodal.cookbook.papers.cogan.adaptation import ROWS, WAYS, adapted
from transmodal.cookbook.papers.cogan.measure import TIED, coupled, tied, transformed
from transmodal.cookbook.papers.cogan.pairs import TASKS
from transmodal.cookbook.papers.cogan.pictures import draw
from transmodal.cookbook.papers.cogan.record import record
from transmodal.cookbook.work import Work, say
from transmodal.core.kernel.settings import Precision

HERE = Path(__file__).parent
WHAT = (
    "edges", "negatives", "rotation", "tied", "lead", "adaptation", "transform", "record",
    "pictures",
)  # fmt: skip


@click.command(cls=RecipeCommand, help=__doc__)
@click.argument("what", nargs=-1, required=True, type=click.Choice(WHAT))
@work_options("cogan-work")
@click.option("--rows", default=",".join(ROWS), show_default=True, type=named(ROWS),
              help="Of the adaptation table.")  # fmt: skip
@click.option("--ways", default="0,1", show_default=True, type=numbers(highest=len(WAYS) - 1),
              help=f"Which of {WAYS}, by number.")  # fmt: skip
def main(
    what: tuple[str, ...],
    seeds: list[int],
    out: Path,
    rows: tuple[str, ...],
    ways: list[int],
    quick: bool,
    precision: Precision,
) -> None:
    """Run the command line; its help is this module's docstring."""
    place = Work.of(out, quick, precision=precision)
    for seed in seeds:
        for name in ("edges", "negatives", "rotation"):
            if name in what:
                say(f"{name} {seed}", coupled(place, TASKS[name], seed))
        if "rotation" in what:
            wide = coupled(place, TASKS["rotation"], seed, "-wide", waist=0)
            say(f"rotation, no waist {seed}", wide)
        if "tied" in what:
            for which, layers in TIED.items():
                for count in range(layers):
                    found = tied(place, TASKS["edges"], which, count, seed)
                    say(f"{count} layers of the {which}s tied {seed}", found)
        if "lead" in what:
            found = coupled(place, TASKS["edges"], seed, "-lead0.125", lead=0.125)
            say(f"edges with a shorter lead {seed}", found)
        if "transform" in what:
            for name in ("edges", "negatives"):
                say(f"transform {name} {seed}", transformed(place, TASKS[name], seed))
        if "adaptation" in what:
            for number in ways:
                for row in rows:
                    source, target = WAYS[number]
                    found = adapted(place, source, target, row, seed)
                    say(f"{source}->{target} {row} {seed}", found)
    shown = place.folder if quick else HERE
    if "record" in what:
        tell("recorded", record(place, shown, seeds))
    if "pictures" in what:
        tell("drew", draw(place, shown / "pictures"))


if __name__ == "__main__":
    main()
