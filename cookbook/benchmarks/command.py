"""What the benchmarks' command lines have in common: rounds, cases, kills, and where figures go."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import click

from transmodal.cookbook.command import Command

to_record = click.option(
    "--record", "recorded", is_flag=True, help="Put the figures into results.json."
)
to_json = click.option(
    "--json", "out", type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the figures to this file.",
)  # fmt: skip


def in_rounds(number: int, least: int = 1) -> Callable[[Command], Command]:
    """The option ``rounds``: of all sides, in turns.

    Args:
        number: of them, by default.
        least: that they may be; quartiles are of 2 or more.
    """
    return click.option("--rounds", type=click.IntRange(least), default=number, show_default=True,
                        help="Of all sides, in turns.")  # fmt: skip


def of_cases(known: Collection[str]) -> Callable[[Command], Command]:
    """The option ``cases``: names of what is measured, one each time it is given; else all."""
    return click.option("--case", "cases", type=click.Choice(list(known)), multiple=True,
                        default=list(known), help="What to measure; else all.")  # fmt: skip


def killing(number: int) -> Callable[[Command], Command]:
    """The options ``kills`` and ``seed``, of their moments.

    Args:
        number: of kills, by default.
    """
    many = click.option("--kills", type=click.IntRange(1), default=number, show_default=True,
                        help="How many.")  # fmt: skip
    seed = click.option("--seed", default=0, show_default=True, help="Of the moments.")

    def add(command: Command) -> Command:
        return many(seed(command))

    return add


def given(*names: str) -> str:
    """The running command's options of these names that are not as by default, to record them.

    Each with a blank before it, as one gives it: `` --rounds 3 --quick``.
    """
    context = click.get_current_context()
    words = []
    for param in context.command.params:
        if param.name not in names or not isinstance(param, click.Option):
            continue
        value = context.params[param.name]
        if value == param.get_default(context):
            continue
        if param.is_flag:
            words.append(param.opts[0])
        else:
            each = value if param.multiple else [value]
            words += [f"{param.opts[0]} {one}" for one in each]
    return "".join(f" {word}" for word in words)
