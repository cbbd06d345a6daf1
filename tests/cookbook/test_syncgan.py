"""SyncGAN's recipe at toy size: it runs, goes on where it was, and beats chance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from transmodal.cookbook.papers.syncgan import experiments, sets
from transmodal.cookbook.papers.syncgan.__main__ import main
from transmodal.cookbook.papers.syncgan.experiments import FRACTIONS
from transmodal.cookbook.papers.syncgan.instruments import instruments
from transmodal.cookbook.papers.syncgan.inversion import inversion
from transmodal.cookbook.papers.syncgan.models import SETTINGS
from transmodal.cookbook.papers.syncgan.variety import variety
from transmodal.cookbook.work import Work, translator_file
from transmodal.core.signal import Signal
from transmodal.core.table import Memory


@pytest.mark.data
@pytest.mark.slow
def test_the_recipe_beats_chance_and_goes_on_where_it_was(tmp_path: Path) -> None:
    call = ["rates", "record", "--quick", "--fractions", "1.0", "--seeds", "0"]
    call += ["--out", str(tmp_path), "--threads", "1"]
    first = CliRunner().invoke(main, call, catch_exceptions=False)
    assert first.exit_code == 0
    values = json.loads((tmp_path / "quick" / "values" / "rates-1.0-0.json").read_text())
    assert values["rate"] > values["mismatched"] + 0.05
    assert values["entropy"] > 0.5
    recorded = json.loads((tmp_path / "quick" / "results.json").read_text())
    found = {figure["name"]: figure["mean"] for figure in recorded}
    assert found["rate@1.0"] == values["rate"] and found["entropy@1.0"] == values["entropy"]
    again = CliRunner().invoke(main, call, catch_exceptions=False)
    assert "steps/s" not in again.output  # nothing was trained twice
    *_, rates, told = first.output.splitlines()
    assert again.output.splitlines()[-2:] == [rates, told]
    assert rates.startswith("rates 1.0 0: ") and told.startswith("recorded rate@1.0, ")
    (tmp_path / "quick" / "translators" / "garments-0" / "model.safetensors").write_bytes(b"other")
    refused = CliRunner().invoke(main, call)
    assert refused.exit_code == 2 and "measured of another translators/garments-0" in refused.output


def test_values_are_those_of_the_translator_they_name(
    tmp_path: Path, measured_of: dict[str, list[str]]
) -> None:
    work = Work(tmp_path)
    experiments.rates(work, 1.0, 3)
    experiments.rates(work, 0.4, 3)
    experiments.ablation(work, "normal_prior", 3)
    for measure in (experiments.spoken, experiments.rotated, experiments.transfer, inversion):
        measure(work, 3)
    instruments(work, "mel", 3)
    tags = {
        "rates-1.0": "garments", "rates-0.4": "garments@0.4", "normal_prior": "normal_prior",
        "spoken": "spoken", "rotated": "rotated", "transfer": "garments",
        "inversion": "garments", "instruments-mel": "instruments-mel",
    }  # fmt: skip
    assert measured_of == {f"{name}-3": [translator_file(tag, 3)] for name, tag in tags.items()}


def test_only_fractions_that_have_settings_are_taken() -> None:
    for fraction in FRACTIONS:
        assert fraction == 1.0 or f"garments@{fraction}" in SETTINGS
    found = CliRunner().invoke(main, ["rates", "--fractions", "1,0.2"])
    assert found.exit_code == 2 and "no 0.2; there are 1.0, 0.4, 0.05" in found.output


def test_items_meet_one_to_one_within_a_class() -> None:
    first = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    second = torch.tensor([1, 0, 1, 0, 1])
    a, b = sets.matched(first, second, 0)
    assert first[a].tolist() == second[b].tolist() == [0, 0, 1, 1]
    assert len(set(a.tolist())) == len(set(b.tolist())) == 4
    assert not torch.equal(torch.cat([a, b]), torch.cat(sets.matched(first, second, 3)))


@pytest.mark.data
def test_records_of_the_recipe_hold_no_labels_and_the_pairs_asked_for() -> None:
    records = sets.garments(0.2, 0, quick=True)
    digits, clothes = (set(c.rows.tolist()) for c in records.columns.values())
    assert len(digits) == len(clothes) == 3000
    assert len(digits & clothes) == 600
    assert set(records.labels) == {None}


def test_variety_is_the_ratio_of_distances_within_a_class() -> None:
    class Reader:
        def predict(self, signal: Signal) -> torch.Tensor:
            return (signal.values[:, 0] > 5).long()

    real = Memory(Signal(torch.tensor([[0.0], [1.0], [10.0], [14.0]])), torch.tensor([0, 0, 1, 1]))
    made = Signal(torch.tensor([[2.0], [2.5], [8.0], [9.0]]))
    # class 0: 0.5 of 1; class 1: 1 of 4
    assert variety(made, Reader(), real) == pytest.approx((0.5 + 0.25) / 2)  # type: ignore[arg-type]
    assert variety(made[:1], Reader(), real) is None  # type: ignore[arg-type]
    alike = Signal(torch.tensor([[3.0], [3.0]]))
    assert variety(alike, Reader(), real) == 0  # type: ignore[arg-type]
