import json
from pathlib import Path

import pytest

from transmodal.core.errors import DataError
from transmodal.core.evaluation.results import read_results, record, results_table


def test_entries_are_sorted_and_replaced_by_name(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    record(path, "b", {0: 0.5}, n=10, chance=0.1, command="run b")
    record(path, "a", {2: 0.9, 0: 0.7, 1: 0.8}, n=100, chance=0.1, command="run a")
    record(path, "b", {0: 0.25, 1: 0.75}, command="run b again")
    first, second = json.loads(path.read_text())
    assert first == {
        "name": "a",
        "mean": pytest.approx(0.8),
        "std": pytest.approx(0.1),  # sample deviation of .7 .8 .9
        "seeds": [0, 1, 2],
        "n": 100,
        "chance": 0.1,
        "command": "run a",
    }
    assert second["command"] == "run b again"
    assert second["n"] is None
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


def test_a_single_seed_has_no_deviation(tmp_path: Path) -> None:
    entry = record(tmp_path / "r.json", "a", {3: 0.5}, command="run")
    assert entry["std"] is None
    assert read_results(tmp_path / "r.json") == [entry]


def test_the_table_has_a_row_for_each_entry(tmp_path: Path) -> None:
    record(tmp_path / "r.json", "m->f", {0: 0.9, 1: 0.92}, n=5000, chance=0.1, command="run")
    record(tmp_path / "r.json", "speed", {0: 1.5}, command="run")
    lines = results_table(read_results(tmp_path / "r.json")).splitlines()
    assert lines[2:] == [
        "| m->f | 0.91 | 0.014 | 2 | 5,000 | 0.1 |",
        "| speed | 1.5 |  | 1 |  |  |",
    ]


def test_values_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with pytest.raises(DataError, match="result 'a' has no values"):
        record(path, "a", {}, command="run")
    with pytest.raises(DataError, match="result 'a' is nan for seed 1"):
        record(path, "a", {0: 1.0, 1: float("nan")}, command="run")
    assert not path.exists()


def test_a_damaged_file_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("[{")
    with pytest.raises(DataError, match=r"no results can be read from r\.json"):
        record(path, "a", {0: 1.0}, command="run")
    path.write_text('{"a": 1}')
    with pytest.raises(DataError, match=r"r\.json is not a list of results"):
        record(path, "a", {0: 1.0}, command="run")
    assert path.read_text() == '{"a": 1}'
