"""Kill -9 a training of the demo at random moments; the weights must not notice.

``python -m transmodal.cookbook.demo.kill_resume`` kills 50 times.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from transmodal.cookbook import kills as kills_of
from transmodal.cookbook.benchmarks.command import killing
from transmodal.cookbook.command import RecipeCommand
from transmodal.cookbook.demo.data import Amount


@dataclass(frozen=True)
class Length:
    """How long a training is.

    Args:
        reader_steps, latent_steps, bridge_steps: of it.
        longest: seconds a training may live before it is killed.
    """

    reader_steps: int
    latent_steps: int
    bridge_steps: int
    longest: float


FULL, QUICK = Length(100, 60, 400, 6.0), Length(5, 4, 30, 1.0)


def train(folder: Path, length: Length) -> None:
    """One training of the demo on little data, or what is left of it; leaves the weights."""
    import torch

    from transmodal.cookbook.demo import training
    from transmodal.cookbook.demo.data import make
    from transmodal.registry import Registry

    torch.set_num_threads(1)
    plan = training.Plan(
        Amount(takes=2, held_takes=1, people=8, pictures=200),
        reader_steps=length.reader_steps,
        latent_steps=length.latent_steps,
        bridge_steps=length.bridge_steps,
        save_every=0.5,
    )
    _, records = next(make(0, plan.amount))
    translator = training.fit(
        Registry.load(),
        records,
        plan,
        seed=0,
        precision="fp32",
        folder=folder / "states",
        progress=False,
        watch=kills_of.announce(),
    )
    translator.save(folder)


def chains(work: Path, kills: int, quick: bool, seed: int) -> tuple[int, int]:
    """Kill trainings of the demo; see ``transmodal.cookbook.kills.chains``."""

    def arguments(folder: Path) -> list[str]:
        return [__spec__.name, "--train", str(folder), *(["--quick"] if quick else [])]

    return kills_of.chains(arguments, work, kills, (QUICK if quick else FULL).longest, seed)


@click.command(cls=RecipeCommand)
@killing(50)
@click.option("--quick", is_flag=True, help="Shorter trainings, killed sooner.")
@click.option("--train", "folder", type=click.Path(path_type=Path), hidden=True)
def main(kills: int, quick: bool, seed: int, folder: Path | None) -> None:
    """Kill a training of the demo again and again, and compare its weights bit for bit."""
    if folder is not None:
        train(folder, QUICK if quick else FULL)
        return
    with tempfile.TemporaryDirectory() as work:
        survived, done = chains(Path(work), kills, quick, seed)
    click.echo(f"{survived} of {done}")
    if survived < done:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
