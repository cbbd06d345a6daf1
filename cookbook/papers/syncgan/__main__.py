"""Measure and record SyncGAN's experiments.

    python -m transmodal.cookbook.papers.syncgan rates rotated spoken transfer inversion record

Translators and values are kept in the folder given by ``--out``: a run that was stopped goes on
where it was. ``record`` writes results.json from them, and ``pictures`` draws.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch

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

RESULTS = Path(__file__).parent / "results.json"
PICTURES = Path(__file__).parent / "pictures"
WHAT = (
    "rates", "rotated", "spoken", "transfer", "inversion", "ablation", "instruments", "pictures",
    "record",
)  # fmt: skip


@click.command(help=__doc__)
@click.argument("what", nargs=-1, required=True, type=click.Choice(WHAT))
@click.option("--seeds", default="0,1,2", show_default=True, help="Which seeds to measure.")
@click.option("--out", default="syncgan-work", type=click.Path(path_type=Path),
              show_default=True, help="Folder of translators and measured values.")  # fmt: skip
@click.option("--fractions", default=",".join(map(str, FRACTIONS)), show_default=True,
              help="Of pairs, for rates.")  # fmt: skip
@click.option("--threads", default=0, help="Threads to train with; 0 leaves it to torch.")
@click.option("--quick", is_flag=True, help="A few steps of everything, to see that it runs.")
def main(
    what: tuple[str, ...], seeds: str, out: Path, fractions: str, threads: int, quick: bool
) -> None:
    """Run the command line; its help is this module's docstring."""
    if threads:
        torch.set_num_threads(threads)
    # never beside, and never mistaken for, the figures to record
    work = Work(out / "quick" if quick else out, quick=quick)
    chosen = [int(seed) for seed in seeds.split(",")]
    for name in what:
        if name == "rates":
            for fraction in map(float, fractions.split(",")):
                for seed in chosen:
                    say(f"rates {fraction} {seed}", rates(work, fraction, seed))
        elif name == "ablation":  # one seed each, of the length of rates
            for part in ABLATION:
                say(part, ablation(work, part, chosen[0]))
        elif name == "instruments":
            for form in FORMS:
                say(f"{name} {form}", instruments(work, form, chosen[0]))
        elif name == "pictures":
            draw(work, PICTURES if not quick else work.folder / "pictures", chosen[0])
        elif name == "record":
            record(work.folder, RESULTS if not quick else work.folder / "results.json", chosen)
        else:
            measure = {
                "rotated": rotated, "spoken": spoken, "transfer": transfer, "inversion": inversion,
            }[name]  # fmt: skip
            for seed in chosen:
                say(f"{name} {seed}", measure(work, seed))


if __name__ == "__main__":
    main()
