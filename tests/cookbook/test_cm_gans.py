"""The recipe at toy size: methods on features that tell their class, measures, choices, words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from sklearn.cross_decomposition import CCA

from transmodal.cookbook.papers.cm_gans import (
    baselines,
    baselines_deep,
    experiments,
    measure,
    methods,
    sets,
)
from transmodal.cookbook.papers.cm_gans.__main__ import main
from transmodal.cookbook.papers.cm_gans.measure import Reading
from transmodal.core.errors import DataError

SHORT: dict[str, dict[str, Any]] = {
    "cca": {"size": 2}, "kcca": {"size": 2, "kept": 5, "landmarks": 40},
    "dcca": {"size": 2, "steps": 40}, "cm_gans": {"steps": 30, "pretrain_steps": 10},
}  # fmt: skip


def toy(n: int = 90) -> sets.Set:
    """Three classes, each in directions of its own in either domain."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 3
    x = {}
    for d, size in {"image": 6, "text": 5}.items():
        centres = 2 * torch.randn(3, size, generator=generator)
        x[d] = centres[y] + 0.5 * torch.randn(n, size, generator=generator)
    held = slice(60, None)
    test = {d: v[held] for d, v in x.items()}
    return sets.Set(
        {d: v[:60] for d, v in x.items()}, y[:60], test, dict.fromkeys(x, y[held]), ("a", "b", "c")
    )


@pytest.mark.parametrize("name", [name for name in methods.METHODS if name != "published"])
def test_every_method_beats_chance(name: str) -> None:
    data = toy()
    settings = SHORT.get(name, {"steps": 60})
    learned = methods.METHODS[name].learn(data.training, 0, **settings)
    found = measure.precisions(measure.vectors(learned, data, Reading()), data.truth)
    assert set(found) == {"image->text", "text->image", "image->all", "text->all"}
    assert measure.bimodal(found) > measure.bimodal(measure.chance(data.truth)) + 0.2


def test_cca_is_scikit_learns() -> None:
    train = toy().training
    a, b = (x.double().numpy() for x in train.features.values())
    wanted = CCA(2).fit(a, b).transform(a, b)
    learned = baselines.cca(train, 0, size=2)
    for made, want in zip(learned.common.values(), wanted, strict=True):
        x = made(train.features["image" if want is wanted[0] else "text"]).numpy()
        np.testing.assert_allclose(
            np.abs(np.corrcoef(x.T, want.T)[:2, 2:].diagonal()), 1, atol=1e-4
        )


def test_the_correlation_of_dcca_is_that_of_canonical_directions() -> None:
    torch.manual_seed(0)
    a = torch.randn(500, 3)
    b = a @ torch.randn(3, 3) + 2 * torch.randn(500, 3)
    x, y = CCA(3, scale=False).fit_transform(a.numpy(), b.numpy())
    wanted = sum(np.corrcoef(x[:, i], y[:, i])[0, 1] for i in range(3))
    assert float(baselines_deep.correlation(a, b, ridge=1e-6)) == pytest.approx(wanted, rel=1e-2)


def test_readings_take_out_the_training_items_moments() -> None:
    data = toy()
    same = {d: (lambda x: x + 7) for d in data.raw}
    learned = baselines.Learned(same, {d: (lambda x: -x) for d in data.raw})
    for d in data.raw:
        scaled = data.scaled(d, data.test[d]).double()
        for form in ("centred", "standardised"):
            found = measure.vectors(learned, data, Reading(form=form))[d]
            torch.testing.assert_close(found, scaled, atol=1e-5, rtol=1e-5)
        assert torch.equal(measure.vectors(learned, data, Reading(True))[d], -scaled)


def test_a_difference_weighs_both_directions_alike() -> None:
    ours = {"a->b": np.full(10, 0.5), "b->a": np.full(40, 0.3), "a->all": np.zeros(10)}
    other = {"a->b": np.full(10, 0.3), "b->a": np.full(40, 0.2), "a->all": np.ones(10)}
    assert measure.difference(ours, other).mean == pytest.approx(0.15)
    assert measure.bimodal(ours) == pytest.approx(0.4)


def test_the_map_between_domains_is_that_of_the_precisions() -> None:
    data = toy()
    wanted = measure.bimodal(
        measure.precisions(data.test | {"text": data.test["image"]}, data.truth)
    )
    found = measure.between_map(data.test | {"text": data.test["image"]}, data.truth)
    assert found == pytest.approx(wanted, abs=1e-12)


def test_choices_are_kept(tmp_path: Path) -> None:
    method = methods.Method(baselines.cca, {"size": (1, 2)}, ("plain", "centred"))
    choice = methods.choose(method, toy(), (0,))
    assert choice.settings["size"] in (1, 2) and choice.reading.semantic is False
    methods.keep(tmp_path / "c.json", "toy", "cca", choice)
    methods.keep(tmp_path / "c.json", "toy", "kcca", choice)
    assert set(json.loads((tmp_path / "c.json").read_text())["toy"]) == {"cca", "kcca"}


def test_a_method_that_has_not_chosen_is_told_to() -> None:
    with pytest.raises(DataError, match="cm_gans has chosen nothing on toy yet; run choose for it"):
        methods.chosen("toy", "cm_gans")


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Wikipedia is a toy set, and what methods chose there may be written."""
    monkeypatch.setattr(experiments, "data", lambda *_: toy())
    monkeypatch.setattr(methods, "CHOICES", tmp_path / "choices.json")
    choice = methods.Choice({"size": 2}, Reading(), 0.5)
    methods.keep(methods.CHOICES, "wikipedia", "cca", choice)
    return methods.CHOICES


CALL = ["--quick", "--data", "wikipedia", "--methods", "cca", "--seeds", "0", "--out"]


def test_values_of_another_choice_are_refused(toys: Path, tmp_path: Path) -> None:
    call = ["compare", *CALL, str(tmp_path)]
    first = CliRunner().invoke(main, call, catch_exceptions=False)
    assert first.exit_code == 0, first.output
    assert CliRunner().invoke(main, call, catch_exceptions=False).output == first.output
    for other in (
        methods.Choice({"size": 1}, Reading(), 0.5),
        methods.Choice({"size": 2}, Reading(form="centred"), 0.5),
    ):
        methods.keep(toys, "wikipedia", "cca", other)
        for verb in ("compare", "record"):
            refused = CliRunner().invoke(main, [verb, *call[1:]])
            assert refused.exit_code == 2
            assert "wikipedia-cca-0.npz was measured by" in refused.output


def test_damaged_values_are_named(toys: Path, tmp_path: Path) -> None:
    (tmp_path / "quick").mkdir()
    for damaged in (b"", b"no zip", b"PK\x03\x04"):
        (tmp_path / "quick" / "wikipedia-cca-0.npz").write_bytes(damaged)
        for verb in ("compare", "record"):
            found = CliRunner().invoke(main, [verb, *CALL, str(tmp_path)])
            assert found.exit_code == 2 and "wikipedia-cca-0.npz is damaged" in found.output


def test_a_quick_look_is_recorded_as_one(toys: Path, tmp_path: Path) -> None:
    call = ["compare", "record", *CALL, str(tmp_path)]
    assert CliRunner().invoke(main, call, catch_exceptions=False).exit_code == 0
    entries = json.loads((tmp_path / "quick" / "results.json").read_text())
    start = "python -m transmodal.cookbook.papers.cm_gans"
    assert {e["command"] for e in entries} == {f"{start} compare record --data wikipedia --quick"}


@pytest.mark.parametrize("option", ["--data", "--methods"])
def test_unknown_names_are_refused(option: str) -> None:
    called = CliRunner().invoke(main, ["compare", option, "cca,nobody"])
    assert called.exit_code == 2 and "there are" in called.output


def test_variants_of_a_concept_share_a_stem_and_a_part() -> None:
    assert sets.stem("woman running") == sets.stem("man running") == "running"
    assert sets.stem("kiss: man, woman") == "kiss"
    assert sets.stem("person") == "person"
    part = sets.parts([f"concept {i // 2}" for i in range(200)])
    assert torch.equal(part[::2], part[1::2])
    assert part.bincount().tolist() == [120, 40, 40]


@pytest.mark.data
def test_the_command_measures_and_records_at_a_quick_size(tmp_path: Path) -> None:
    call = ["compare", "record", "--quick", "--data", "wikipedia", "--methods", "cca,cm_gans"]
    call += ["--seeds", "0", "--out", str(tmp_path), "--threads", "1"]
    first = CliRunner().invoke(main, call, catch_exceptions=False)
    assert first.exit_code == 0
    entries = {e["name"]: e for e in json.loads((tmp_path / "quick" / "results.json").read_text())}
    assert first.output.splitlines()[-1].startswith("recorded wikipedia/cca/")
    ours = entries["wikipedia/cm_gans/average"]
    assert ours["mean"] > ours["chance"] + 0.03 and ours["n"] == 2 * 693
    gap = [entries[f"wikipedia/difference_to_best{end}"]["mean"] for end in ("/low", "", "/high")]
    assert gap == sorted(gap)
    assert CliRunner().invoke(main, call, catch_exceptions=False).output == first.output


def test_without_data_the_recipe_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSMODAL_DATA", str(tmp_path))
    for name in ("wikipedia", "emoji"):
        with pytest.raises(DataError, match="no such data set: "):
            sets.load(name)
