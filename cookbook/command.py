"""What the recipes' command lines have in common: options, and lists of numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import torch

Command = TypeVar("Command", bound=Callable[..., Any])


class Numbers(click.ParamType):
    """Numbers with commas between, as a list.

    Args:
        kind: ``int`` or ``float``.
        below: what each has to be smaller than, from 0 on; None for any number.
    """

    name = "numbers"

    def __init__(self, kind: type[int] | type[float] = int, below: int | None = None) -> None:
        self.kind, self.below = kind, below

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[float]:
        if isinstance(value, list):
            return value
        try:
            found: list[float] = [self.kind(part) for part in str(value).split(",")]
        except ValueError:
            whole = "whole " if self.kind is int else ""
            self.fail(f"give {whole}numbers with commas between, as 0,1, not {value!r}", param, ctx)
        if self.below is not None and not all(0 <= number < self.below for number in found):
            self.fail(f"give numbers from 0 to {self.below - 1}, not {value!r}", param, ctx)
        return found


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
        click.option("--seeds", default=seeds, show_default=True, type=Numbers(),
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
