"""``transmodal translate``: files of one domain into files of another."""

from __future__ import annotations

from pathlib import Path

import click

from ..registry import Registry
from . import paths
from .cli import pass_registry


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--source", help="Domain of the inputs, where their suffix does not tell.")
@click.option("--target", help="Domain of the output, where its suffix does not tell.")
@click.option(
    "--among",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Files or folders of the target to choose from: the nearest is the answer.",
)
@pass_registry
def translate(
    registry: Registry,
    folder: Path,
    inputs: tuple[Path, ...],
    output: Path,
    source: str | None,
    target: str | None,
    among: tuple[Path, ...],
) -> None:
    """Translate INPUTS (files or folders) with the translator in FOLDER.

    OUTPUT is a file for one input, a folder for several.
    """
    from ...core.translator import Translator

    translator = Translator.load(folder, registry)
    domains = translator.domains
    into = "" if output.is_dir() else output.suffix
    begin = paths.choose(domains, "source", source, inputs[0].suffix, target)
    end = paths.choose(domains, "target", target, into, begin)
    files = paths.expand(inputs, domains[begin].suffixes)
    places = paths.outputs(files, output, domains[end].suffixes[0])
    choice = paths.expand(among, domains[end].suffixes) if among else None
    made = translator.translate(files, source=begin, target=end, among=choice)
    paths.write(domains[end], made, places)
    for file, place in zip(files, places, strict=True):
        click.echo(f"{file} ({begin}) -> {place} ({end})")
