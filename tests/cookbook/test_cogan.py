"""The paper's recipe at toy size: it runs, beats chance, resumes, and frames USPS as it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from transmodal.cookbook.papers.cogan import adaptation, measure, pairs
from transmodal.cookbook.papers.cogan.__main__ import main
from transmodal.cookbook.papers.latent_transfer.sets import Set
from transmodal.cookbook.work import Work
from transmodal.core.errors import DataError, SettingError
from transmodal.core.signal import Signal
from transmodal.core.stage import UNLABELLED, Batch
from transmodal.core.table import Memory
from transmodal.core.translator import Translator
from transmodal.plugins.image.modality import Image


@pytest.mark.data
@pytest.mark.slow
def test_negatives_beat_chance_and_are_not_trained_twice(tmp_path: Path) -> None:
    call = ["negatives", "--quick", "--seeds", "0", "--out", str(tmp_path), "--threads", "1"]
    first = CliRunner().invoke(main, call, catch_exceptions=False)
    assert first.exit_code == 0
    values = json.loads((tmp_path / "quick" / "values" / "negatives-0.json").read_text())
    assert values["agreement"] > values["agreement/chance"] + 0.02
    assert values["corrected"] > 0.1
    assert values["iou"] > 1.5 * values["iou/chance"]
    assert (tmp_path / "quick" / "translators" / "negatives-0" / "model.safetensors").is_file()
    again = CliRunner().invoke(main, call, catch_exceptions=False)
    assert "steps/s" not in again.output  # nothing was trained twice
    assert again.output.splitlines()[-1] == first.output.splitlines()[-1]
    call[0] = "record"
    told = CliRunner().invoke(main, call, catch_exceptions=False).output
    assert told.startswith("recorded negatives, negatives/corrected, ")
    results = tmp_path / "quick" / "results.json"  # never the recipe's own
    entries = {e["name"]: e for e in json.loads(results.read_text())}
    assert entries["negatives"]["mean"] == pytest.approx(values["agreement"])
    assert entries["negatives"]["chance"] == pytest.approx(values["agreement/chance"])
    assert entries["negatives/corrected"]["chance"] == 0
    call[0] = "negatives"
    (tmp_path / "quick" / "translators" / "negatives-0" / "model.safetensors").write_bytes(b"other")
    refused = CliRunner().invoke(main, call)
    assert (
        refused.exit_code == 2 and "measured of another translators/negatives-0" in refused.output
    )


@pytest.mark.data
def test_a_source_only_classifier_reads_the_other_set(tmp_path: Path) -> None:
    call = ["adaptation", "--rows", "source_only", "--ways", "0", "--quick", "--seeds", "0"]
    call += ["--out", str(tmp_path), "--threads", "1"]
    assert CliRunner().invoke(main, call, catch_exceptions=False).exit_code == 0
    path = tmp_path / "quick" / "values" / "mnist-usps-source_only-0.json"
    values = json.loads(path.read_text())
    assert values["usps"] > 0.3
    assert values["n/usps"] == 1007 and values["n/mnist"] == 5000
    (tmp_path / "quick" / "adapted" / "mnist-usps-source_only-0.safetensors").write_bytes(b"other")
    refused = CliRunner().invoke(main, call)
    assert refused.exit_code == 2 and "measured of another adapted/mnist-usps" in refused.output


def test_a_couple_that_was_deleted_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = Memory(Signal(torch.rand(8, 1, 28, 28)), torch.zeros(8).long())
    monkeypatch.setattr(pairs, "load", lambda name: Set(Image(), items, items))
    work, task = Work(tmp_path, "fp32"), pairs.TASKS["negatives"]
    translators, states = (tmp_path / kind / "negatives-0" for kind in ("translators", "states"))
    seconds = tmp_path / "seconds" / "negatives-0.json"

    def trained(**settings: int) -> dict[str, torch.Tensor]:
        given = {"steps": 2, "batch": 4, **settings}
        return pairs.couple(work, task, 0, **given).bridge.state_dict()

    def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
        return all(torch.equal(value, other[key]) for key, value in one.items())

    first, spent = trained(), seconds.read_text()
    with pytest.raises(SettingError, match=r"bridge has steps 2, not 3; delete"):
        trained(steps=3)
    shutil.rmtree(translators)  # then the state of the training still ends it as it was
    assert same(trained(), first) and seconds.read_text() == spent
    shutil.rmtree(translators)
    shutil.rmtree(states)
    other = trained(steps=3)
    assert not same(other, first) and seconds.read_text() != spent
    assert same(trained(steps=3), other)


def test_values_are_those_of_what_they_name(
    tmp_path: Path, measured_of: dict[str, list[str]]
) -> None:
    work = Work(tmp_path)
    measure.coupled(work, pairs.TASKS["edges"], 3, "-lead0.125", lead=0.125)
    measure.transformed(work, pairs.TASKS["edges"], 3)
    adaptation.adapted(work, "usps", "mnist", "both", 3)
    assert measured_of == {
        "edges-lead0.125-3": ["translators/edges-lead0.125-3/model.safetensors"],
        "transform-edges-3": ["translators/edges-3/model.safetensors"],
        "usps-mnist-both-3": ["adapted/usps-mnist-both-3.safetensors"],
    }


@pytest.mark.parametrize(("count", "settings"), [(0, {"tied_critic": 0}), (3, {})])
def test_all_layers_tied_that_can_be_is_the_tasks_own_training(
    count: int, settings: dict[str, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[dict[str, int]] = []
    monkeypatch.setattr(measure, "coupled", lambda *_, **given: calls.append(given))
    measure.tied(Work(tmp_path), pairs.TASKS["edges"], "critic", count, 0)
    assert calls == [settings]


def test_the_halves_are_disjoint_and_go_through_the_operator() -> None:
    pictures = torch.rand(10, 1, 28, 28)
    task = pairs.TASKS["negatives"]
    table = pairs.halves(task, pictures, 0)
    digits, others = table.columns["digits"], table.columns["negatives"]
    assert sorted([*digits.rows.tolist(), *others.rows.tolist()]) == list(range(10))
    assert torch.equal(others.take(torch.arange(5)).values, 1 - pictures[others.rows])
    assert (digits.labels == UNLABELLED).all()
    assert not torch.equal(digits.rows, pairs.halves(task, pictures, 1).columns["digits"].rows)


def test_the_operators() -> None:
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 1] = 1
    ring = torch.zeros(5, 5)
    ring[1:4, 0:3] = 1
    ring[2, 1] = 0
    assert torch.equal(pairs.edges(x)[0, 0], ring)
    turned = pairs.turned(x)
    assert turned[0, 0, 3, 2] == 1 and turned.sum() == 1
    assert torch.equal(pairs.turned_back(turned), x)


def test_usps_is_framed_by_its_centre_of_mass() -> None:
    pictures = torch.zeros(2, 1, 16, 16)
    pictures[0, 0, 4:12, 4:12] = 1
    pictures[1, 0, 0:4, 6:10] = 1
    made = adaptation.framed(pictures)
    assert made.shape == (2, 1, 28, 28)
    for item in made[:, 0]:
        place = torch.arange(28.0)
        centre = [float((item.sum(1 - a) * place).sum() / item.sum()) for a in (0, 1)]
        # off the middle by rounding, or because the picture would leave the frame
        assert abs(centre[1] - 13.5) <= 0.5
    assert abs(float((made[0, 0].sum(1) * torch.arange(28.0)).sum() / made[0].sum()) - 13.5) <= 0.5
    assert made[1, 0, :8].sum() == 0  # pushed down as far as the frame lets it, by 8
    assert made[1, 0].sum() == pytest.approx(float(made[0, 0].sum()) / 4, rel=0.1)


def test_the_classifier_alone_leaves_the_game_alone() -> None:
    domains = {"source": Image(size=8, waist=1), "target": Image(size=8, waist=1)}
    bridge = adaptation.Classifier(steps=1, classification=1.0, consistency=1.0, inverse_steps=0)
    translator = Translator(domains, bridge)
    translator.connect(("0", "1"))
    (stage,) = bridge.stages()
    assert [phase.name for phase in stage.phases] == ["classifier"]
    items = {d: Signal(torch.rand(4, 1, 8, 8)) for d in domains}
    labels = {"source": torch.tensor([0, 1, 0, 1]), "target": torch.full((4,), UNLABELLED)}
    terms = bridge.reading({"items": Batch(items, labels, {})})
    assert terms["class"] > 0 and "adversarial" not in terms
    terms["class"].backward()
    assert all(p.grad is None for p in bridge.trunk.parameters())
    # both domains are read through the source's first layer
    x = items["source"]
    assert torch.equal(bridge.classify(x, "source"), bridge.classify(x, "target"))


def test_without_usps_the_recipe_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSMODAL_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no such data set: .*usps.npz"):
        adaptation.digits("usps")
