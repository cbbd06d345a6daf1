"""``transmodal sample`` and ``transmodal interpolate``: items that were not there before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...core.errors import MediaError, SettingError
from ..registry import Registry
from . import paths
from .cli import pass_registry

if TYPE_CHECKING:
    from ...core.modality import Preview
    from ...core.translator import Translator

Made = Mapping[str, Sequence[Any]]  # domain -> items; those of one place belong together
SEED = "Of the samples, where FIRST and LAST are not given."
GRID = "One picture of all: a row per domain, columns belong together."


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("-n", "count", default=8, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--grid", metavar="FILE.png", type=click.Path(path_type=Path), help=GRID)
@pass_registry
def sample(
    registry: Registry, folder: Path, output: Path, count: int, seed: int, grid: Path | None
) -> None:
    """Draw joint samples into a folder per domain in OUTPUT.

    Files of one number belong together.
    """
    from ...core.translator import Translator

    _check_grid(grid)
    translator = Translator.load(folder, registry)
    made = translator.sample(count, seed=seed)
    domains = translator.domains
    for name in made:
        paths.write(domains[name], made[name], _places(domains, name, output / name, count))
        click.echo(f"{count} samples in {output / name}")
    if grid is not None:
        _draw_grid(translator, made, grid)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("ends", nargs=-1, metavar="[FIRST LAST]", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--source", help="Domain of the two files, where their suffix does not tell.")
@click.option("--target", help="Domain of the results, where there are several.")
@click.option("--steps", default=8, show_default=True, type=click.IntRange(2))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help=SEED)
@click.option("--grid", metavar="FILE.png", type=click.Path(path_type=Path), help=GRID)
@pass_registry
def interpolate(
    registry: Registry,
    folder: Path,
    ends: tuple[Path, ...],
    output: Path,
    source: str | None,
    target: str | None,
    steps: int,
    seed: int,
    grid: Path | None,
) -> None:
    """Translate what lies between two files, or between two random samples.

    With FIRST and LAST, the results are of one domain, the target. Without, a walk through the
    samples shows the target, or every domain.

    OUTPUT is a folder; or an animation, a name in .gif; or, where the target can be heard, one
    sound of all the steps, a name in .wav.
    """
    from ...core.translator import Translator

    _check_grid(grid)
    kind = "" if output.is_dir() else output.suffix.lower()
    if kind not in ("", ".gif", ".wav"):
        raise MediaError(f"{output}: the steps go into a folder, a .gif or a .wav, not a {kind}")
    if len(ends) not in (0, 2):
        raise SettingError(f"give both FIRST and LAST, or neither, before OUTPUT, not {ends[0]}")
    if source is not None and not ends:
        raise SettingError("--source is the domain of FIRST and LAST, and neither is given")
    translator = Translator.load(folder, registry)
    domains = translator.domains
    ways = translator.bridge.directions()
    into = ".wav" if kind == ".wav" else ""
    begin = None
    if ends:
        able = [s for s, t in ways if target in (None, t)]
        begin = paths.choose(domains, "source", source, ends[0].suffix, target, able)
    if ends or target is not None or into:
        able = [t for s, t in ways if begin in (None, s)]
        results = [paths.choose(domains, "target", target, into, begin, able)]
    else:
        results = list(domains)
    shown = list(results)
    if begin is not None and begin not in shown and grid is not None and (begin, begin) in ways:
        shown.insert(0, begin)
    single = ends or target is not None
    folders = {} if kind else {name: output if single else output / name for name in results}
    places = {name: _places(domains, name, folders[name], steps) for name in folders}
    paths.keep(ends, [*chain(*places.values()), output, *([] if grid is None else [grid])])
    between = (ends[0], ends[1]) if ends else None
    made = translator.walk(steps, shown, ends=between, source=begin, seed=seed)
    if kind:
        _play(translator, made, results, output)
        click.echo(f"{steps} steps in {output}")
    else:
        for name, folder in folders.items():
            paths.write(domains[name], made[name], places[name])
            click.echo(f"{steps} steps in {folder}")
    if grid is not None:
        _draw_grid(translator, made, grid)


def _places(domains: paths.Domains, name: str, folder: Path, count: int) -> list[Path]:
    return [folder / f"{k:03}{domains[name].suffixes[0]}" for k in range(count)]


def _play(translator: Translator, made: Made, names: Sequence[str], output: Path) -> None:
    """The steps as an animation, the domains side by side, or as one sound."""
    from ...core.evaluation.animation import frames, save_animation, save_sounds

    if output.suffix.lower() == ".gif":
        columns = [_previews(translator, made, name) for name in names]
        save_animation(frames(list(zip(*columns, strict=True))), output)
        return
    [name] = names
    previews = _previews(translator, made, name)
    if any(preview.sound is None for preview in previews):
        kind = translator.domains[name].name
        raise SettingError(
            f"{output}: a sound was asked of {name!r}, and its modality {kind!r} has none; give a "
            "folder or a .gif, or a --target that can be heard"
        )
    save_sounds(previews, output)


def _draw_grid(translator: Translator, made: Made, path: Path) -> None:
    from ...core.evaluation.pictures import grid, save_picture

    previews = [preview for name in made for preview in _previews(translator, made, name)]
    save_picture(grid(previews, len(previews) // len(made)), path)
    click.echo(f"rows {', '.join(made)} in {path}")


def _previews(translator: Translator, made: Made, name: str) -> list[Preview]:
    return [translator.domains[name].preview(item) for item in made[name]]


def _check_grid(path: Path | None) -> None:
    if path is not None and path.suffix.lower() != ".png":
        raise MediaError(f"{path}: --grid is a picture and its name ends in .png")
