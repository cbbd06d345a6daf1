"""Kill -9 a training of an adversarial bridge at random moments; the weights must not notice.

    python -m transmodal.cookbook.benchmarks.kill_resume weight-tying|synchronizer|common-space
        [--kills 50] [--quick] [--seed 0] [--record]

Scikit-learn's 1,797 digits of 8 x 8 pixels and their edges, paired and of known classes where the
bridge needs pairs.
A training is killed so long after its first event as chance says, and begun again, until it
ends; then another one begins. Every one must end in the weights of the training that nobody
killed, bit for bit.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
import torch

from transmodal.cookbook.benchmarks.command import given, killing, to_record
from transmodal.cookbook.command import RecipeCommand
from transmodal.cookbook.kills import announce, chains
from transmodal.core.evaluation.results import record
from transmodal.core.records import Records
from transmodal.core.translator import Translator
from transmodal.registry import Registry

PAPERS = Path(__file__).parent.parent / "papers"
GAMES = {"weight-tying": "cogan", "synchronizer": "syncgan", "common-space": "cm_gans"}
STEPS, LONGEST = {False: 200, True: 40}, {False: 5.0, True: 1.0}  # by whether it is quick


def train(name: str, folder: Path, quick: bool) -> None:
    """One training under the bridge, or what is left of it; leaves the weights."""
    torch.set_num_threads(1)
    registry = Registry.load()
    steps = STEPS[quick]
    made = {"inverse_steps": steps // 10, "augment": True}
    own: dict[str, dict[str, Any]] = {
        "weight-tying": made | {"lead": 0.2},
        "synchronizer": made | {"sync_steps": steps // 2, "concepts": 3},
        "common-space": {"ends_steps": steps, "pretrain_steps": steps},
    }
    settings = {"steps": steps, "batch": 32} | own[name]
    image = registry.modality("image")
    domains = {"digits": image(size=8), "edges": image(size=8)}
    translator = Translator(domains, registry.bridge(name)(**settings))
    translator.fit(
        digits(name != "weight-tying"),
        checkpoint=folder / "states",
        save_every=0.1 if quick else 0.5,
        progress=False,
        device="cpu",
        watch=announce(),
    )
    translator.save(folder)


def digits(paired: bool) -> Records:
    """Records of digits and of their edges, of the same digits or of different ones."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pictures, labels = torch.from_numpy(found.images).float()[:, None] / 16, found.target
    edges = torch.nn.functional.max_pool2d(pictures, 3, 1, 1) - pictures
    if not paired:
        half = len(pictures) // 2
        pictures, edges = pictures[:half], edges[half:]
    columns = {"digits": list(pictures), "edges": list(edges)}
    return Records.from_arrays(columns, labels if paired else None, paired=paired)


@click.command(cls=RecipeCommand, help=__doc__)
@click.argument("name", type=click.Choice(list(GAMES)))
@killing(50)
@click.option("--quick", is_flag=True, help="Shorter trainings, killed sooner.")
@to_record
@click.option("--train", "folder", type=click.Path(path_type=Path), hidden=True)
def main(
    name: str, kills: int, quick: bool, seed: int, recorded: bool, folder: Path | None
) -> None:
    """Run the command line; its help is this module's docstring."""
    if folder is not None:
        train(name, folder, quick)
        return

    def arguments(place: Path) -> list[str]:
        return [__spec__.name, name, "--train", str(place), *(["--quick"] if quick else [])]

    with tempfile.TemporaryDirectory() as work:
        survived, done = chains(arguments, Path(work), kills, LONGEST[quick], seed)
    click.echo(f"{survived} of {done}")
    if recorded:
        command = f"python -m transmodal.cookbook.benchmarks.kill_resume {name} --record"
        command += given("kills", "quick", "seed")
        path = PAPERS / GAMES[name] / "results.json"
        record(path, "resumed", {seed: survived / done}, n=done, command=command)
    if survived < done:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
