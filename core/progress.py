"""How far a long piece of work has come, shown on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tick = Callable[[int, int], None]  # steps done, steps in all


@contextmanager
def bar(what: str, total: int, shown: bool) -> Iterator[Callable[[float], None]]:
    """A bar on standard error that goes when the work is done.

    Args:
        what: the work.
        total: items to work on.
        shown: False for no bar; nor is there one where standard error is no terminal.

    Yields:
        What to call with the number of items done so far.
    """
    if shown:
        from rich.console import Console

        console = Console(stderr=True)
        shown = console.is_terminal
    if not shown:
        yield lambda done: None
        return
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(bar_width=24),
        rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)
