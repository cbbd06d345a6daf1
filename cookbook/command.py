"""What the recipes' command lines have in common: options, and lists of numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import torch

Command = TypeVar("Command", bound=Callable[..., Any])


def numbers(
    kind: type[int] | type[float] = int, below: int | None = None
) -> Callable[[Any], list[float]]:
    """The type of an option that is numbers with commas between.

    Args:
        kind: of each.
        below: what each has to be smaller than, from 0 on; None for any number.
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
        if below is not None and not all(0 <= number < below for number in found):
            raise click.BadParameter(f"give numbers from 0 to {below - 1}, not {value!r}")
        return found

    read.__name__ = "numbers"  # as help says it
    return read


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
        click.option("--out", default=folder, show_default=True, type=click.Path(path_type=Path),
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
