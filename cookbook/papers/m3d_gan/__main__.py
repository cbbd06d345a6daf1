"""Train and measure M3D-GAN's tasks, and record what was measured.

    python -m transmodal.cookbook.papers.m3d_gan text_text record --quick

Translators and values are kept in the folder given by ``--out``: a run that was stopped goes on
where it was. ``record`` writes results.json from them.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch

from transmodal.cookbook.papers.latent_transfer.models import Work
from transmodal.cookbook.papers.m3d_gan import text_text

TASKS = {"text_text": text_text.measure}
RESULTS = Path(__file__).parent / "results.json"


@click.command(help=__doc__)
@click.argument("what", nargs=-1, required=True, type=click.Choice([*TASKS, "record"]))
@click.option("--seeds", default="0", show_default=True, help="Which seeds to measure.")
@click.option("--out", default="m3d-gan-work", type=click.Path(path_type=Path),
              show_default=True, help="Folder of translators and measured values.")  # fmt: skip
@click.option("--part", default="test", type=click.Choice(["test", "choices"]),
              show_default=True, help="Held-out items to measure on; choices are made on theirs.")  # fmt: skip
@click.option("--threads", default=0, help="Threads to train with; 0 leaves it to torch.")
@click.option("--quick/--full", default=False, help="A minute's training, or the README's.")
def main(
    what: tuple[str, ...], seeds: str, out: Path, part: str, threads: int, quick: bool
) -> None:
    """Run the command line; its help is this module's docstring."""
    if threads:
        torch.set_num_threads(threads)
    # never beside, and never mistaken for, the figures to record
    work = Work(out / "quick" if quick else out, quick=quick)
    for name in what:
        for seed in map(int, seeds.split(",")):
            values = TASKS[name](work, seed, part)
            click.echo(f"{name} {seed}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))


if __name__ == "__main__":
    main()
