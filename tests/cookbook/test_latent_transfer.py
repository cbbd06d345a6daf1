"""The paper's recipe at toy size: it runs, resumes, and counts labels as it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from transmodal.cookbook.judging import heard
from transmodal.cookbook.papers.latent_transfer import experiments, precision, sets
from transmodal.cookbook.papers.latent_transfer.__main__ import main
from transmodal.cookbook.papers.latent_transfer.labels import LABELS, can_be_met, few
from transmodal.cookbook.work import Work, translator_file, weights_file
from transmodal.core.errors import DataError
from transmodal.core.signal import Signal
from transmodal.core.stage import UNLABELLED
from transmodal.core.table import Memory
from transmodal.plugins.image.modality import Image
from transmodal.plugins.speech.modality import Speech


@pytest.mark.data
@pytest.mark.slow
def test_the_recipe_runs_and_goes_on_where_it_was(tmp_path: Path) -> None:
    call = ["transfer", "labels", "--quick", "--pairs", "2", "--counts", "100", "--seeds", "0"]
    call += ["--out", str(tmp_path), "--threads", "1"]
    first = CliRunner().invoke(main, call, catch_exceptions=False)
    assert first.exit_code == 0
    values = json.loads((tmp_path / "quick" / "values" / "mnist-fsdd-0.json").read_text())
    for way in ("mnist->fsdd", "fsdd->mnist", "mnist->fsdd/heard", "judge/fsdd"):
        assert 0 <= values[way] <= 1
    assert (tmp_path / "quick" / "translators" / "mnist-fsdd-0" / "model.safetensors").is_file()
    again = CliRunner().invoke(main, call, catch_exceptions=False)
    assert "steps/s" not in again.output  # nothing was trained twice
    assert again.output.splitlines()[-1] == first.output.splitlines()[-1]
    call[:2] = ["record"]
    told = CliRunner().invoke(main, call, catch_exceptions=False).output
    assert told.startswith("recorded mnist->fsdd, mnist->fsdd/agreement, ")
    results = tmp_path / "quick" / "results.json"  # never the recipe's own
    told = {e["name"]: e for e in json.loads(results.read_text())}
    entries = {name: e["mean"] for name, e in told.items()}
    assert entries["mnist->fsdd"] == values["mnist->fsdd"]
    assert {told[name]["n"] for name in ("mnist->fsdd/heard", "mnist->mnist@100")} == {150}
    for what, of in (("transfer", "base-fsdd-0"), ("labels", "reader-mnist_b-0-100")):
        (tmp_path / "quick" / "weights" / f"{of}.safetensors").write_bytes(b"other")
        refused = CliRunner().invoke(main, [what, *call[1:]])
        said = " ".join(refused.output.split())
        assert refused.exit_code == 2 and f"was measured of another weights/{of}" in said


def test_values_are_those_of_the_weights_they_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured_of: dict[str, list[str]]
) -> None:
    items = Memory(Signal(torch.rand(20, 1, 28, 28)), torch.arange(20) % 10)
    monkeypatch.setattr(experiments, "load", lambda *_: sets.Set(Image(), items, items))
    monkeypatch.setattr(experiments, "judge", lambda *_: None)
    work = Work(tmp_path)
    experiments.transfer(work, "mnist", "fsdd", 3)
    precision.precisions(work, 3)
    experiments.ablation(work, 3)
    experiments.with_labels(work, 10, 3)
    experiments.with_labels(work, 20, 3)  # all there are
    both = [f"base-{name}-3-unlabelled" for name in ("mnist", "mnist_b")]
    weights = {
        "mnist-fsdd": ["base-mnist-3", "reader-mnist-3", "base-fsdd-3", "reader-fsdd-3"],
        "precision": ["base-mnist-3", "reader-mnist-3", "base-mnist_b-3", "reader-mnist_b-3"],
        "ablation": both,
        "labels-10": [*both, "reader-mnist-3-10", "reader-mnist_b-3-10"],
        "labels-20": both,
    }
    wanted = {f"{name}-3": [weights_file(one) for one in of] for name, of in weights.items()}
    wanted["mnist-fsdd-3"].append(translator_file("mnist-fsdd", 3))
    assert measured_of == wanted


def test_few_labels_are_balanced_and_the_halves_disjoint() -> None:
    labels = torch.arange(500) % 10
    a, b = (few(labels, 50, 0, half) for half in (0, 1))
    for part in (a, b):
        known = part != UNLABELLED
        assert torch.bincount(part[known]).tolist() == [5] * 10
        assert torch.equal(part[known], labels[known])
    assert not ((a != UNLABELLED) & (b != UNLABELLED)).any()
    assert not torch.equal(a, few(labels, 50, 1, 0))


@pytest.mark.parametrize("count", [15, 30, 50, 54_220, 60_020])
def test_counts_of_labels_that_cannot_be_met_are_refused(count: int) -> None:
    found = CliRunner().invoke(main, ["labels", "--counts", f"100,{count}"])
    assert found.exit_code == 2
    said = " ".join(found.output.replace("│", "").split())
    assert f"no {count}; there are 0, 10, multiples of 20 up to 54200, and 60000" in said


def test_the_counts_that_can_be_given_are_met() -> None:
    assert all(map(can_be_met, LABELS))
    labels = torch.arange(500) % 10
    for count in (count for count in range(0, 501, 5) if can_be_met(count)):
        halves = [few(labels, count // 2, 0, half) for half in (0, 1)]
        given = sum(int((half != UNLABELLED).sum()) for half in halves)
        assert given == count or count == 10


def test_more_labels_than_a_class_has_are_refused() -> None:
    labels = torch.cat([torch.arange(10).repeat(5), torch.arange(9)])
    with pytest.raises(DataError, match="take 6 items of each class, and there are 5 of '9'"):
        few(labels, 30, 0, 1)
    assert (few(labels, 50, 0, None) != UNLABELLED).sum() == 50


def test_silent_clips_are_heard_wrong() -> None:
    class First:
        def predict(self, signal: Signal) -> torch.Tensor:
            return torch.zeros(len(signal)).long()

    speech = Speech(sample_rate=8000, seconds=0.75)
    tone, silence = torch.sin(torch.arange(4000) / 3), torch.zeros(4000)

    def share(*waves: torch.Tensor) -> float:
        wanted = torch.tensor([0, 0, 0, 1])[: len(waves)]
        return heard(First(), speech, waves, wanted)  # type: ignore[arg-type]

    assert share(tone) == 1
    assert share(tone, silence, tone, tone) == 0.5  # the last is wanted otherwise
    assert share(silence, silence[:0]) == 0  # no error: where all are silent, all are wrong


def test_without_data_the_recipe_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRANSMODAL_DATA", raising=False)
    with pytest.raises(DataError, match="set TRANSMODAL_DATA to the folder"):
        sets.load("mnist")


def test_an_interrupted_part_is_not_kept(tmp_path: Path) -> None:
    work = Work(tmp_path)

    def stopped(net: torch.nn.Module) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.keep("part", torch.nn.Linear(2, 2), stopped)
    assert not (tmp_path / "weights").exists()
    kept = work.keep("part", torch.nn.Linear(2, 2), lambda net: None)
    again = work.keep("part", torch.nn.Linear(2, 2), stopped)
    assert torch.equal(kept.weight, again.weight)
