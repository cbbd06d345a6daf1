"""``transmodal train``: fit a translator as a recipe says."""

from __future__ import annotations

from pathlib import Path

import click

from ..registry import Registry
from .cli import pass_registry


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to save in, with the state of training unless the recipe names its checkpoint.",
)
@pass_registry
def train(registry: Registry, recipe: Path, out: Path | None) -> None:
    """Train the translator of a TOML RECIPE.

    A training that was stopped goes on where it was when the command is given again. Several
    processes train together by torchrun -m transmodal train RECIPE. With start = "FOLDER" above all
    sections and no domains, the translator in FOLDER is trained on, under what [bridge] changes.

    \b
    [domains.digits]            [bridge]
    modality = "image"          name = "bridging-vae"
    size = 28                   [records]
    [domains.spoken]            manifest = "train.csv"
    modality = "speech"         [training]
    sample_rate = 8000          out = "digits-spoken"
    """
    from ...core.kernel.distributed import first
    from .recipe import read_recipe

    found = read_recipe(recipe, registry, out)
    found.translator.fit(found.records(), **found.fit)
    if first():  # of the processes of torchrun
        folder = found.translator.save(found.out)
        click.echo(f"saved {folder}")
