"""The benchmarks' command lines: options, refusals, and what they record under which command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from transmodal.cookbook.benchmarks import griffin_lim, inversion, kernel_overhead, search
from transmodal.cookbook.benchmarks.turns import in_turns
from transmodal.cookbook.command import RecipeCommand

COOKBOOK = Path(__file__).resolve().parents[2] / "cookbook"
GAMES = ("cogan/fp32", "cogan/bf16", "syncgan/fp32", "syncgan/bf16")
STEPS = ("step of 0.5 ms", "fp32", "fp32, clip", "bf16", "bf16, clip")
DEFAULTS: dict[str, dict[str, Any]] = {
    "benchmarks.game_step": {"rounds": 15, "case": GAMES, "record": False},
    "benchmarks.griffin_lim": {"rounds": 9, "wav": None, "json": None},
    "benchmarks.inversion": {
        "queries": 32, "rounds": 3, "training": 1000, "l-bfgs": False, "json": None,
    },
    "benchmarks.kernel_overhead": {"rounds": 41, "case": STEPS, "json": None, "record": False},
    "benchmarks.kill_index": {"kills": 100, "seed": 0, "record": False},
    "benchmarks.kill_resume": {"kills": 50, "seed": 0, "quick": False, "record": False},
    "benchmarks.search": {"threads": 2, "rounds": 9, "seeds": 3, "record": False},
    "papers.m3d_gan.speed": {"rounds": 9, "record": False},
    "demo.kill_resume": {"kills": 50, "seed": 0, "quick": False},
}  # fmt: skip


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """A benchmark chooses how many for its process, which here is the tests'."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def module_of(name: str) -> ModuleType:
    return import_module(f"transmodal.cookbook.{name}")


def call(name: str, *words: object) -> Result:
    return CliRunner().invoke(module_of(name).main, [str(word) for word in words])


def read(name: str, words: list[str]) -> dict[str, Any]:
    """The options of a call, by name of their parameter."""
    found: dict[str, Any] = module_of(name).main.make_context(name, [*words]).params
    return found


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_benchmark_has_help_and_its_errors_told(name: str) -> None:
    main = module_of(name).main
    assert isinstance(main, RecipeCommand)
    told = call(name, "--help")
    assert told.exit_code == 0
    assert [option for option in DEFAULTS[name] if f"--{option}" not in told.output] == []


@pytest.mark.parametrize("name", DEFAULTS)
def test_options_have_their_defaults(name: str) -> None:
    found = read(name, ["synchronizer"] if name == "benchmarks.kill_resume" else [])
    shown = {
        param.opts[0].removeprefix("--"): found[param.name]
        for param in module_of(name).main.params
        if param.param_type_name == "option" and not param.hidden
    }
    assert shown == DEFAULTS[name]


@pytest.mark.parametrize(
    ("name", "words", "says"),
    [
        ("benchmarks.game_step", ["--case", "gan"], "'gan' is not one of 'cogan/fp32', 'cogan/bf"),
        ("benchmarks.game_step", ["--rounds", 1], "1 is not in the range x>=2"),
        ("benchmarks.griffin_lim", ["--wav", "gone.wav"], "'gone.wav' does not exist"),
        ("benchmarks.griffin_lim", ["--rounds", 0], "0 is not in the range x>=1"),
        ("benchmarks.inversion", ["--queries", 0], "0 is not in the range x>=1"),
        ("benchmarks.inversion", ["--json", "."], "'.' is a directory"),
        ("benchmarks.kernel_overhead", ["--case", "fp16"], "'fp16' is not one of 'step of"),
        ("benchmarks.kernel_overhead", ["--rounds", 1], "1 is not in the range x>=2"),
        ("benchmarks.kill_index", ["--kills", 0], "0 is not in the range x>=1"),
        ("benchmarks.kill_resume", ["anchors"], "'anchors' is not one of 'weight-tying', 'synch"),
        ("benchmarks.kill_resume", [], "Missing argument '"),
        ("benchmarks.search", ["2m"], "'2m' is not one of '100k', '100k/even', '1m', '10m', 'map'"),
        ("benchmarks.search", ["--seeds", 0], "0 is not in the range x>=1"),
        ("papers.m3d_gan.speed", ["--rounds", "many"], "'many' is not a valid integer range"),
        ("demo.kill_resume", ["--kills", 0], "0 is not in the range x>=1"),
    ],
)
def test_what_cannot_be_measured_is_refused(name: str, words: list[object], says: str) -> None:
    found = call(name, *words)
    assert found.exit_code == 2 and says in found.output, found.output


def test_an_error_raised_on_purpose_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_text("no sound")
    found = call("benchmarks.griffin_lim", "--wav", tmp_path / "no.wav")
    assert found.exit_code == 2
    assert found.output.startswith("Error: ") and "no.wav" in found.output


def recorded() -> dict[tuple[str, ...], set[tuple[str, str]]]:
    """Calls of benchmarks, as results.json have them -> papers and names of their figures."""
    found: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for path in sorted(COOKBOOK.rglob("results.json")):
        for entry in json.loads(path.read_text()):
            python, _, module, *words = shlex.split(entry["command"])
            name = module.removeprefix("transmodal.cookbook.")
            if python == "python" and name in DEFAULTS:
                call = (name, *words)
                found.setdefault(call, set()).add((path.parent.name, entry["name"]))
    return found


def measured(case: search.Case, *_: object) -> dict[str, float]:
    """What a case of search has figures of."""
    own = ("", "one") if case.against else ("seconds",)
    return dict.fromkeys(("load", "memory", *own, "peak_gib", "recall"), 1.0)


# in place of each benchmark's measuring
MEASURED: dict[str, dict[str, Any]] = {
    "benchmarks.game_step": {
        "measure": lambda *_: {
            "hand_ms": 2.0, "ours_ms": 1.0, "speedup": 2.0, "quartiles": (2.0, 2.0),
        },
    },
    "benchmarks.kernel_overhead": {
        "measure": lambda *_: {
            "bare_ms": 1.0, "ratio": 1.0, "ratio_iqr": [1.0, 1.0],
            "extra_us": 0.0, "extra_us_iqr": [0.0, 0.0],
        },
    },
    "benchmarks.kill_index": {"kill": lambda work, kills, seed: kills},
    "benchmarks.kill_resume": {"chains": lambda to, work, kills, longest, seed: (kills, kills)},
    "benchmarks.search": {"measure": measured, "map_speedup": lambda *_: 1.0},
    "papers.m3d_gan.speed": {"compare": lambda *_: (1.0, 1.0, 1.0)},
}  # fmt: skip


def test_what_records_has_recorded() -> None:
    assert {name for name, *_ in recorded()} == set(MEASURED)


@pytest.mark.parametrize("words", recorded(), ids=" ".join)
def test_a_recorded_command_records_the_same_figures(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, *options = words
    module = module_of(name)
    for function, stub in MEASURED[name].items():
        monkeypatch.setattr(module, function, stub)
    told: list[tuple[str, str]] = []

    def record(path: Path, figure: str, values: dict[int, float], *, n: int, command: str) -> None:
        assert path.name == "results.json" and values and n
        start, given = shlex.split(command)[:3], shlex.split(command)[3:]
        assert start == ["python", "-m", f"transmodal.cookbook.{name}"]
        assert read(name, given) == read(name, options)  # a default may be given as well
        told.append((path.parent.name, figure))

    monkeypatch.setattr(module, "record", record)
    found = call(name, *options)
    assert found.exit_code == 0, found.output
    assert len(told) == len(set(told)) and set(told) == recorded()[words]
    again = call(name, *(word for word in options if word != "--record"))
    assert again.output == found.output and len(told) == len(set(told))


@pytest.mark.parametrize(
    "words",
    [
        "benchmarks.game_step --rounds 3",
        "benchmarks.kernel_overhead --rounds 3",
        "benchmarks.kill_index --kills 3 --seed 2",
        "benchmarks.kill_resume synchronizer --kills 3 --seed 2 --quick",
        "benchmarks.search 100k --threads 1 --rounds 3 --seeds 2",
        "papers.m3d_gan.speed --rounds 3",
    ],
)
def test_what_is_not_by_default_is_recorded(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, *options = words.split()
    module = module_of(name)
    for function, stub in MEASURED[name].items():
        monkeypatch.setattr(module, function, stub)
    commands: list[str] = []
    monkeypatch.setattr(module, "record", lambda *_, n, command: commands.append(command))
    assert call(name, *options, "--record").exit_code == 0
    assert commands
    for command in commands:
        assert read(name, shlex.split(command)[3:]) == read(name, [*options, "--record"])


@pytest.mark.parametrize(
    ("name", "function", "options"),
    [("benchmarks.kill_index", "kill", []), ("benchmarks.kill_resume", "chains", ["synchronizer"])],
)
def test_a_kill_that_did_harm_is_a_failure(
    name: str, function: str, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    harm = {"kill": lambda *_: 2, "chains": lambda *_: (2, 3)}
    monkeypatch.setattr(module_of(name), function, harm[function])
    found = call(name, *options, "--kills", 3)
    assert found.exit_code == 1 and found.output == "2 of 3\n"


def test_sides_take_turns_and_each_has_its_seconds() -> None:
    calls: list[int] = []
    now = [0.0]

    def side(which: int) -> None:
        calls.append(which)
        now[0] += 2.0**which

    found = in_turns([partial(side, which) for which in range(3)], 3, lambda: now[0])
    assert calls == [0, 1, 2, 2, 1, 0, 0, 1, 2]
    assert found == [[1.0] * 3, [2.0] * 3, [4.0] * 3]


def test_a_short_sound_is_rebuilt_by_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size, value in {"SECONDS": 1, "STEPS": 2}.items():
        monkeypatch.setattr(griffin_lim, size, value)
    found = call("benchmarks.griffin_lim", "--rounds", 2, "--json", tmp_path / "figures.json")
    assert found.exit_code == 0, found.output
    told = json.loads((tmp_path / "figures.json").read_text())
    assert told["rounds"] == 2
    assert told["quartiles"][0] <= told["speedup"] <= told["quartiles"][1]
    assert set(told["milliseconds"]) == set(told["convergence"]) == {"ours", "librosa"}
    assert all(0 < value < 1 for value in told["convergence"].values())
    assert f"speed-up {told['speedup']:.2f}x (quartiles " in found.output


def test_a_few_queries_are_inverted_each_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AdamSearch", "GradientDescent", "LBFGS"):
        short = partial(getattr(inversion, name), steps=1, restarts=1)
        monkeypatch.setattr(inversion, name, short)
    out = tmp_path / "figures.json"
    few = ("--queries", 2, "--rounds", 2, "--training", 1, "--l-bfgs", "--json", out)
    found = call("benchmarks.inversion", *few)
    assert found.exit_code == 0, found.output
    told = json.loads(out.read_text())
    assert (told["rounds"], told["queries"]) == (2, 2)
    assert told["quartiles"][0] <= told["speedup"] <= told["quartiles"][1]
    assert set(told["seconds"]) == set(told["residual"]) == {"published", "fast", "l-bfgs"}
    assert [line.split()[0] for line in found.output.splitlines()] == [
        "published", "fast", "l-bfgs", "fast",
    ]  # fmt: skip


def test_a_small_step_is_timed_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kernel_overhead.CASES, "fp32", (8, 1, 32, "fp32", None, 2))
    monkeypatch.setitem(kernel_overhead.CASES, "bf16, clip", (8, 1, 32, "bf16", 1.0, 2))
    out = tmp_path / "figures.json"
    some = ("--case", "fp32", "--case", "bf16, clip", "--rounds", 3, "--json", out)
    found = call("benchmarks.kernel_overhead", *some)
    assert found.exit_code == 0, found.output
    one, two = json.loads(out.read_text())
    assert (one["case"], two["case"], one["rounds"]) == ("fp32", "bf16, clip", 3)
    for told in (one, two):
        assert told["ratio_iqr"][0] <= told["ratio"] <= told["ratio_iqr"][1]
        assert told["extra_us_iqr"][0] <= told["extra_us"] <= told["extra_us_iqr"][1]
        assert told["bare_ms"] > 0


def test_a_small_index_is_searched_on_both_sides() -> None:
    pytest.importorskip("faiss", reason="pip install 'transmodal[search]'")
    found = search.measure(search.Case(2000, 16, groups=10), 0, 2, 1)
    assert list(found) == list(measured(search.CASES["1m"]))
    assert found["recall"] == 1 and found["memory"] >= 1 and found[""] > 0 and found["one"] > 0
    alone = search.measure(search.Case(2000, 16, groups=0, against=False), 0, 2, 1)
    assert set(alone) == set(measured(search.CASES["10m"])) and alone["seconds"] > 0
