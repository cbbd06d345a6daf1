"""Several processes: what they end with alike, what they refuse, who shows and writes."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from calls import Plugin, done
from kernel_toys import Toy, script, single, table
from rich.console import Console

from transmodal.core.errors import SettingError
from transmodal.core.kernel import Kernel, StageStarted
from transmodal.core.kernel.progress import show
from transmodal.core.translator import Translator
from transmodal.registry import Registry
from transmodal.registry import commands as built_in

from toys import Dots, Swap

Said = Callable[[str], list[str]]
TORCHRUN = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    """What both processes said at the end of a case of ``kernel_ranks.py``."""
    folder = tmp_path_factory.mktemp("ranks")
    script("kernel_ranks.py", folder, seconds=200)
    return lambda case: [path.read_text() for path in sorted(folder.glob(f"{case}-?"))]


@pytest.mark.parametrize("case", ["norms", "twice", "unlike", "resumed"])
def test_every_process_has_the_same_weights_after_each_stage(said: Said, case: str) -> None:
    first, second = said(case)
    assert "make.0.weight" in first and first == second


def test_statistics_of_norms_resume_exactly(said: Said) -> None:
    assert "running_mean" in said("norms")[0]
    assert said("resumed") == said("norms")


@pytest.mark.parametrize(("case", "message"), [
    ("seeds", "must be given the same: seed is 0 in process 0 and 1 in process 1; give all of"),
    ("logs", "must be given the same: log_every is 2 in process 0 and 3 in process 1"),
    ("folders", "find different states in"),
    ("odd", "terms plain were not finite 1 times in a row.* not finite in 'dots' rows 18"),
])  # fmt: skip
def test_every_process_refuses_in_the_same_words(said: Said, case: str, message: str) -> None:
    for words in said(case):
        assert words.startswith(("TrainingError", "CheckpointError"))
        with pytest.raises(AssertionError, match=message):
            raise AssertionError(words)


def test_a_judge_does_not_know_of_other_processes(said: Said) -> None:
    (first, learned), (none, other) = map(ast.literal_eval, said("judges"))
    [(one, _)] = map(ast.literal_eval, said("alone"))
    assert first == one and none == "none" and learned == other


def test_the_others_say_that_a_process_failed(said: Said) -> None:
    waiting, failed = said("lost")
    assert failed == "ValueError: this process fails"
    assert waiting.startswith("TrainingError: another process of this training ended, or cannot")
    assert "gloo" not in waiting


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"RANK": None}, "WORLD_SIZE=2, so 2 processes train together, but RANK not set; start"),
        ({"MASTER_ADDR": None, "MASTER_PORT": None}, "but MASTER_ADDR, MASTER_PORT not set"),
        ({"RANK": "2"}, "but RANK is 2; start them with torchrun, or unset WORLD_SIZE"),
        ({"RANK": "one"}, "RANK must be a whole number, not 'one'"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE must be a whole number, not ''"),
        ({"LOCAL_RANK": "x"}, "LOCAL_RANK must be a whole number, not 'x'"),
        ({"MASTER_PORT": "x"}, "MASTER_PORT must be a whole number, not 'x'"),
    ],
)
def test_environments_that_lead_nowhere_are_refused(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**TORCHRUN, **changes}.items():
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, False)
    model = Toy()
    with pytest.raises(SettingError, match=message):
        list(Kernel(model, single(model), table()).run())


@pytest.mark.parametrize("rank", [0, 1])
def test_the_first_process_alone_shows_and_saves(
    rank: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**TORCHRUN, "RANK": str(rank)}.items():
        monkeypatch.setenv(name, value)
    console = Console(file=(tmp_path / "shown").open("w"), force_terminal=False)
    events = [StageStarted("one", 0, 3)]
    assert list(show(iter(events), console)) == events
    console.file.flush()
    assert bool((tmp_path / "shown").read_text()) == (rank == 0)

    monkeypatch.setattr(Translator, "fit", lambda self, records, **_: self.connect())
    registry = Registry()
    registry.register(built_in, "built_in")
    registry.register(Plugin({"dots": Dots}, {"swap": Swap}), "toys")
    (tmp_path / "rows.csv").write_text("a\ndot.json\n")
    Dots().write([0.5] * 6, tmp_path / "dot.json")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[domains.a]\nmodality = "dots"\n[bridge]\nname = "swap"\n[records]\nmanifest = "rows.csv"'
    )
    assert ("saved" in done(registry, "train", recipe)) == (rank == 0)
    assert (tmp_path / "translator" / "config.json").exists() == (rank == 0)
