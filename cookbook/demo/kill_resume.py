"""Kill -9 a training of the demo at random moments; the weights must not notice.

``python -m transmodal.cookbook.demo.kill_resume`` kills 50 times.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import click

from transmodal.cookbook.demo.data import Amount

MODEL = "model.safetensors"
BEGUN = "begun"  # what a training says when its first event comes


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
    from transmodal.core.kernel.events import Event
    from transmodal.registry import Registry

    torch.set_num_threads(1)
    plan = training.Plan(
        Amount(takes=2, held_takes=1, people=8, pictures=200),
        reader_steps=length.reader_steps,
        latent_steps=length.latent_steps,
        bridge_steps=length.bridge_steps,
        save_every=0.5,
    )
    said: list[Event] = []

    def begun(event: Event) -> None:
        if not said:
            print(BEGUN, flush=True)
            said.append(event)

    _, records = next(make(0, plan.amount))
    translator = training.fit(
        Registry.load(),
        records,
        plan,
        seed=0,
        precision="fp32",
        folder=folder / "states",
        progress=False,
        watch=begun,
    )
    translator.save(folder)


def play(folder: Path, quick: bool, seconds: float | None) -> bool:
    """Run a training in a process of its own, killed so long after its first event.

    Returns:
        Whether it was killed (else it came to its end).

    Raises:
        SystemExit: it failed.
    """
    command = [sys.executable, "-m", __spec__.name, "--train", str(folder)]
    if quick:
        command.append("--quick")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        heard = process.stdout.readline().strip()
        timer = Timer(seconds if seconds is not None else 1e6, process.kill)
        if heard == BEGUN and seconds is not None:
            timer.start()
        code = process.wait()
        timer.cancel()
    if code not in (0, -9):
        raise SystemExit(f"a training in {folder} failed with status {code}")
    return code == -9


def chains(work: Path, kills: int, quick: bool, seed: int) -> tuple[int, int]:
    """Kill until it is enough; when a training comes to its end, another one begins.

    Returns:
        Kills after which the final weights were those of the unbroken training, and all kills.
    """
    length = QUICK if quick else FULL
    draw = random.Random(seed)
    play(work / "unbroken", quick, None)
    wanted = (work / "unbroken" / MODEL).read_bytes()
    survived = done = 0
    while done < kills:
        broken, mine, begun = work / "broken", 0, time.monotonic()
        shutil.rmtree(broken, ignore_errors=True)
        while play(broken, quick, draw.uniform(0, length.longest) if done < kills else None):
            mine, done = mine + 1, done + 1
            click.echo(f"killed {done} of {kills}", err=True)
        same = (broken / MODEL).read_bytes() == wanted
        survived += mine if same else 0
        verdict = "the same weights" if same else "OTHER WEIGHTS"
        spent = time.monotonic() - begun
        click.echo(f"{mine} kills, then {verdict} ({spent:.0f} s)", err=True)
    return survived, done


@click.command()
@click.option("--kills", type=click.IntRange(1), default=50, show_default=True)
@click.option("--quick", is_flag=True, help="Shorter trainings, killed sooner.")
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
@click.option("--train", "folder", type=click.Path(path_type=Path), hidden=True)
def main(kills: int, quick: bool, seed: int, folder: Path | None) -> None:
    """Kill a training of the demo again and again, and compare its weights bit for bit."""
    import tempfile

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
