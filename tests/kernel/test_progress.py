"""What people see of a run."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from kernel_toys import Toy, single, table
from rich.console import Console

from transmodal.core.kernel import (
    Interrupted,
    Kernel,
    Progress,
    Resumed,
    Saved,
    Skipped,
    StageFinished,
    StageStarted,
    Training,
)
from transmodal.core.kernel.progress import clock, say, show

LOSSES = {"make/l2": 0.5, "make/kl": 1.25, "judge/a": 2.0, "judge/b": 3.0, "judge/c": 4.0}
EVENTS = [
    Resumed("both", 20, Path("state-3.json"), "state-4.json is damaged"),
    StageStarted("both", 20, 100),
    Progress("both", 60, 100, LOSSES, 2.0),
    Skipped("both", 80, "make", 2, 3, ("kl",)),
    Saved("both", 80, Path("state-5.json")),
    StageFinished("both", 100, 75.2),
    Interrupted("more", 5, "SIGTERM"),
]


def test_events_in_plain_lines() -> None:
    told = [say(event) for event in EVENTS]
    assert told == [
        "WARNING: state-4.json is damaged\nresumed from state-3.json: both, step 20",
        "both: goes on at step 20 of 100",
        "both 60/100  make/l2 0.5  make/kl 1.25  judge/a 2  judge/b 3  ...  2.0 steps/s  0:20 left",
        "both 80: 2 steps of make skipped, 3 in all (kl not finite)",
        None,
        "both: done in 1:15",
        "SIGTERM: stopped in more after step 5; run again to go on",
    ]
    assert say(StageStarted("both", 0, 7)) == "both: 7 steps"
    assert "gradients not finite" in (say(Skipped("both", 80, "make", 2, 3, ())) or "")


@pytest.mark.parametrize("terminal", [True, False])
def test_every_event_passes_through_and_is_shown(terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    assert list(show(iter(EVENTS), console)) == EVENTS
    text = out.getvalue()
    for part in ("make/l2 0.5", "2.0", "2 steps of make skipped", "SIGTERM", "WARNING"):
        assert part in text
    assert ("\x1b[" in text) is terminal
    assert ("━" in text) is terminal


def test_a_real_run_is_shown() -> None:
    model, out = Toy(), io.StringIO()
    run = Kernel(model, single(model), table(), Training(device="cpu", log_every=4)).run()
    for _ in show(run, Console(file=out, width=100)):
        pass
    assert "one: 12 steps" in out.getvalue()
    assert "all/plain" in out.getvalue()


def test_clock() -> None:
    assert [clock(s) for s in (0.4, 59.6, 3599, 3600, 36_061)] == [
        "0:00", "1:00", "59:59", "1:00:00", "10:01:01",
    ]  # fmt: skip
