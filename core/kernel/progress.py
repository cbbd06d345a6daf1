"""Progress: the event stream as bars in a terminal, as plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING

from .distributed import first
from .events import (
    Advice,
    Event,
    Interrupted,
    Progress,
    Resumed,
    Saved,
    Skipped,
    StageFinished,
    StageStarted,
)

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 4  # losses that fit beside a bar
SECONDS = 5.0  # between two plain lines of one stage


def show(events: Iterator[Event], console: Console | None = None) -> Generator[Event, None, None]:
    """Pass the events on and show them: a bar per stage with losses, speed and time left.

    Of several processes that train together, the first one shows them.

    Args:
        events: of ``Kernel.run()``.
        console: where to; standard error when not given. Where that is no terminal, plain
            lines every few seconds take the place of the bars.
    """
    if not first():
        return _silently(events)
    if console is None:
        from rich.console import Console

        console = Console(stderr=True)
    return _bars(events, console) if console.is_terminal else _lines(events, console)


def _silently(events: Iterator[Event]) -> Generator[Event, None, None]:
    yield from events


def say(event: Event) -> str | None:
    """An event in a line of text, None for one not worth a line."""
    match event:
        case StageStarted(stage, 0, steps):
            return f"{stage}: {steps} steps"
        case StageStarted(stage, step, steps):
            return f"{stage}: goes on at step {step} of {steps}"
        case Progress(stage, step, steps, losses, rate):
            left = clock((steps - step) / rate)
            return f"{stage} {step}/{steps}  {_losses(losses)}  {rate:.1f} steps/s  {left} left"
        case Skipped(stage, step, phase, count, total, terms):
            why = ", ".join(terms) or "gradients"
            left_out = f"{count} steps of {phase} skipped, {total} in all"
            return f"{stage} {step}: {left_out} ({why} not finite)"
        case Resumed(stage, step, path, warning):
            note = f"WARNING: {warning}\n" if warning else ""
            where = f"{stage}, step {step}" if stage else "everything is trained"
            return f"{note}resumed from {path}: {where}"
        case Advice(stage, step, words):
            return f"{stage} {step}: {words}"
        case StageFinished(stage, _, seconds):
            return f"{stage}: done in {clock(seconds)}"
        case Interrupted(stage, step, signal):
            return f"{signal}: stopped in {stage} after step {step}; run again to go on"
    return None


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _losses(losses: Mapping[str, float]) -> str:
    shown = [f"{name} {value:.4g}" for name, value in list(losses.items())[:SHOWN]]
    return "  ".join(shown + ["..."] * (len(losses) > SHOWN))


def _lines(events: Iterator[Event], console: Console) -> Generator[Event, None, None]:
    last = 0.0
    for event in events:
        now = time.monotonic()
        quiet = isinstance(event, Progress) and now - last < SECONDS and event.step < event.steps
        line = None if quiet else say(event)
        if line is not None:
            last = now if isinstance(event, Progress) else last
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        yield event


def _bars(events: Iterator[Event], console: Console) -> Generator[Event, None, None]:
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(bar_width=24),
        rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(),
        rich.TextColumn("{task.fields[note]}", markup=False),
    )
    with rich.Progress(*columns, console=console) as bars:
        task = None
        for event in events:
            match event:
                case StageStarted(stage, step, steps):
                    task = bars.add_task(stage, total=steps, completed=step, note="")
                case Progress(_, step, _, losses, rate) if task is not None:
                    note = f"{rate:.1f}/s  {_losses(losses)}"
                    bars.update(task, completed=step, note=note)
                case StageFinished(_, step, _) if task is not None:
                    bars.update(task, completed=step)
                case Saved():
                    pass
                case _:
                    line = say(event)
                    if line is not None:
                        bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
            yield event
