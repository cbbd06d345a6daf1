"""``transmodal translate``: files of one domain into files of another."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from ...core.errors import DataError, ReachError, SettingError
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
@click.option(
    "--style-of",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An item of the target: what is made is made in its style.",
)
@click.option(
    "--style-seed",
    metavar="N",
    type=click.IntRange(0),
    help="Draw a style, another for each seed; all INPUTS are made in it.",
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
    style_of: Path | None,
    style_seed: int | None,
) -> None:
    """Translate INPUTS (files or folders) with the translator in FOLDER.

    OUTPUT is a file for one input, a folder for several. Bridges that know styles take a mean one
    where none is asked for.
    """
    from ...core.progress import bar
    from ...core.translator import Translator

    if style_of is not None and style_seed is not None:
        raise SettingError("a style is either that of a file, --style-of, or drawn, --style-seed")
    translator = Translator.load(folder, registry)
    domains = translator.domains
    into = "" if output.is_dir() else output.suffix
    given = "" if inputs[0].is_dir() else inputs[0].suffix
    # what is chosen among files needs not be made
    ways = [] if among else translator.bridge.directions()
    begin = paths.choose(
        domains, "source", source, given, target, [s for s, t in ways if target in (None, t)]
    )
    end = paths.choose(domains, "target", target, into, begin, [t for s, t in ways if s == begin])
    files = paths.expand(inputs, domains[begin].suffixes)
    choice = paths.expand(among, domains[end].suffixes) if among else None
    kept = [*files, *(choice or ()), *([] if style_of is None else [style_of])]
    places = paths.outputs(files, output, domains[end].suffixes[0], kept)
    style = None
    if style_of is not None:
        style = translator.style([style_of], end)
    elif style_seed is not None:
        style = translator.style_sample(seed=style_seed)
    # what is written is safe, whatever the next files are; a choice is read once, for all of them
    at_once = paths.SLICE if choice is None else len(files)
    several = len(files) > at_once  # slices, shown by one bar
    call = partial(translator.translate, source=begin, target=end, style=style, among=choice)
    told: list[str] = []
    try:
        with bar(f"{begin} -> {end}", len(files), several) as tell:
            for start in range(0, len(files), at_once):
                some, to = files[start : start + at_once], places[start : start + at_once]
                made = call(some, progress=not several)
                paths.write(domains[end], made, to)
                pairs = zip(some, to, strict=True)
                told += [f"{file} ({begin}) -> {place} ({end})" for file, place in pairs]
                tell(len(told))
    except ReachError as error:
        far = ", ".join(str(some[i]) for i in error.missed)
        raise DataError(f"{error}. To translate the others, leave out {far}") from error
    finally:
        for line in told:  # now that no bar is in the way, which would take it to standard error
            click.echo(line)
