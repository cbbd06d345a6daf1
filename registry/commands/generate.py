"""``transmodal sample`` and ``transmodal interpolate``: items that were not there before."""

from __future__ import annotations

from pathlib import Path

import click

from ..registry import Registry
from . import paths
from .cli import pass_registry


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("-n", "count", default=8, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@pass_registry
def sample(registry: Registry, folder: Path, output: Path, count: int, seed: int) -> None:
    """Draw joint samples into a folder per domain in OUTPUT.

    Files of one number belong together.
    """
    from ...core.translator import Translator

    translator = Translator.load(folder, registry)
    for name, items in translator.sample(count, seed=seed).items():
        modality = translator.domains[name]
        places = [output / name / f"{k:03}{modality.suffixes[0]}" for k in range(count)]
        paths.write(modality, items, places)
        click.echo(f"{count} samples in {output / name}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("last", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--source", help="Domain of the two files, where their suffix does not tell.")
@click.option("--target", help="Domain of the results; the other one where there are two.")
@click.option("--steps", default=8, show_default=True, type=click.IntRange(2))
@pass_registry
def interpolate(
    registry: Registry,
    folder: Path,
    first: Path,
    last: Path,
    output: Path,
    source: str | None,
    target: str | None,
    steps: int,
) -> None:
    """Translate what lies between FIRST and LAST into files in OUTPUT."""
    from ...core.translator import Translator

    translator = Translator.load(folder, registry)
    begin = paths.choose(translator.domains, "source", source, first.suffix, target)
    end = paths.choose(translator.domains, "target", target, "", begin)
    made = translator.interpolate(first, last, begin, end, steps)
    modality = translator.domains[end]
    places = [output / f"{k:03}{modality.suffixes[0]}" for k in range(steps)]
    paths.write(modality, made, places)
    click.echo(f"{steps} steps in {output}")
