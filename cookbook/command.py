"""What the recipes' command lines have in common: options, numbers and names, and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
import torch

from transmodal.cookbook.work import Work
from transmodal.core.errors import TransmodalError
from transmodal.core.kernel.settings import Precision
from transmodal.registry.commands.cli import Refused

Command = TypeVar("Command", bound=Callable[..., Any])


class RecipeCommand(click.Command):
    """A recipe's command: errors raised on purpose become one message and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        try:
            return super().invoke(ctx)
        except TransmodalError as error:
            raise Refused(str(error)) from error


def numbers(
    kind: type[int] | type[float] = int,
    highest: float = math.inf,
    can: Callable[[float], bool] | None = None,
    only: str = "",
) -> Callable[[Any], list[float]]:
    """The type of an option that is numbers from 0 on with commas between.

    Args:
        kind: of each.
        highest: that each may be.
        can: whether a number is one that can be given; all can when it is not there.
        only: those that can, in words.
    """

    def read(value: Any) -> list[float]:
        if isinstance(value, list):
            return value
        try:
            found: list[float] = [kind(part) for part in str(value).split(",")]
        except ValueError:
            whole = "whole " if kind is int else ""
            raise click.BadParameter(
                f"give {whole}numbers with commas between, as 0,1, not {value!r}"
            ) from None
        if not all(0 <= number <= highest and math.isfinite(number) for number in found):
            up = f"to {highest:g}" if math.isfinite(highest) else "on"
            raise click.BadParameter(f"give numbers from 0 {up}, not {value!r}")
        for number in found:
            if can is not None and not can(number):
                raise click.BadParameter(f"no {number}; there are {only}")
        return found

    read.__name__ = "numbers"  # as help says it
    return read


def named(known: Collection[str]) -> Callable[[Any], tuple[str, ...]]:
    """The type of an option that is names with commas between, each of which must be known."""

    def read(value: Any) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(str(value).split(","))
        for name in names:
            if name not in known:
                raise click.BadParameter(f"no {name!r}; there are {', '.join(known)}")
        return names

    read.__name__ = "names"
    return read


def tell(done: str, names: Sequence[str]) -> None:
    """Print what was done with which figures or pictures, or what to do first where there are none.

    Args:
        done: ``"recorded"`` or ``"drew"``.
        names: of them, each told once.
    """
    click.echo(f"{done} {', '.join(dict.fromkeys(names)) or 'nothing; measure something first'}")


def options(folder: str, seeds: str = "0,1,2") -> Callable[[Command], Command]:
    """The options of every recipe: ``seeds`` (whole numbers), ``out``, ``quick``; and threads.

    Args:
        folder: that ``--out`` names by default.
        seeds: by default.
    """

    def limit(ctx: click.Context, param: click.Parameter, threads: int) -> None:
        if threads:
            torch.set_num_threads(threads)

    several = [
        click.option("--seeds", default=seeds, show_default=True, type=numbers(),
                     help="Which seeds to measure."),
        click.option("--out", default=folder, show_default=True,
                     type=click.Path(file_okay=False, path_type=Path),
                     help="Folder of what is trained and measured."),
        click.option("--threads", default=0, type=click.IntRange(0), callback=limit,
                     expose_value=False, help="Threads to train with; 0 leaves it to torch."),
        click.option("--quick", is_flag=True,
                     help="A small size of everything, to see that it runs."),
    ]  # fmt: skip

    def add(command: Command) -> Command:
        for option in reversed(several):
            command = option(command)
        return command

    return add


def work_options(folder: str, seeds: str = "0,1,2") -> Callable[[Command], Command]:
    """The options of a recipe whose trainings are of ``Work``: ``options`` and ``precision``."""
    precision = click.option(
        "--precision", default=Work.precision, show_default=True,
        type=click.Choice(get_args(Precision)),
        help="Of all training; 'transmodal doctor' tells which is faster here.",
    )  # fmt: skip
    return lambda command: options(folder, seeds)(precision(command))
