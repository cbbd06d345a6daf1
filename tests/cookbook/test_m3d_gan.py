"""M3D-GAN's recipes: how sentences are parted, the baselines, and what is recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from transmodal.cookbook.papers.m3d_gan import tatoeba, text_text
from transmodal.cookbook.papers.m3d_gan.names import nearest
from transmodal.cookbook.papers.m3d_gan.record import ROWS, record
from transmodal.cookbook.papers.m3d_gan.seq2seq import Seq2Seq
from transmodal.cookbook.work import Work
from transmodal.core.signal import Signal
from transmodal.plugins.text.units import END


def test_sentences_that_are_linked_stay_together() -> None:
    rows = [("Go!", "Va !"), ("Go.", "Pars !"), ("Leave.", "Pars."), ("Run!", "Cours !")]
    assert tatoeba._groups(rows) == [[0, 1, 2], [3]]


@pytest.mark.data
def test_no_sentence_stands_on_two_sides() -> None:
    train, choices, test = tatoeba.load()
    assert len(choices) == len(test) == tatoeba.HELD
    for side in ("english", "french"):
        parts = [{tatoeba.plain(text) for text in getattr(p, side)} for p in (train, choices, test)]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_the_plain_encoder_decoder_learns_to_reverse() -> None:
    """Five units turned round: what was read last is written first."""
    torch.manual_seed(0)
    net = Seq2Seq(8, 8, 32, layers=1, dropout=0.0)
    adam = torch.optim.Adam(net.parameters(), 1e-2)

    def pairs(n: int) -> tuple[Signal, Signal]:
        units = torch.randint(2, 8, (n, 3))
        end = torch.full((n, 1), END)
        lengths = torch.full((n,), 4)
        there = Signal(torch.cat([units, end], 1), lengths)
        return there, Signal(torch.cat([units.flip(1), end], 1), lengths)

    for _ in range(120):
        adam.zero_grad()
        net.loss(*pairs(32)).backward()
        adam.step()
    source, target = pairs(100)
    made = net.eval().write(source, longest=6, beams=2, penalty=1.0)
    right = made.values[:, :4] == target.values
    assert right.all(1).double().mean() > 0.8  # chance: 1 in 216


def test_the_translator_and_its_baseline_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = {"one": "un", "two": "deux", "three": "trois", "four": "quatre"}
    both = [(f"{a} and {b}", f"{digits[a]} et {digits[b]}") for a in digits for b in digits]
    pairs = tatoeba.Pairs([a for a, _ in both], [b for _, b in both])
    held = tatoeba.Pairs(pairs.english[:3], pairs.french[:3])
    monkeypatch.setattr(text_text, "load", lambda: (pairs, held, held))
    monkeypatch.setattr(text_text, "QUICK", {"steps": 3, "batch": 4, "width": 8})
    work = Work(tmp_path, "fp32", quick=True)
    ours, plain = (make(work, 0) for make in (text_text.measure, text_text.measure_baseline))
    assert ours["n"] == plain["n"] == len(held)
    assert all(0 <= found["bleu"] <= 100 for found in (ours, plain))
    assert ours["chance/bleu"] < 100
    for found in (ours, plain):
        assert 0 < found["told/own"] != found["told/other"] > 0
    stems = {path.stem for path in (tmp_path / "values").iterdir()}
    assert stems == {"text_text-test-0", "seq2seq-test-0"}


def test_what_heeds_its_source_is_told_from_what_does_not() -> None:
    english = ["a", "b", "c"]
    asked = []
    text_text.heeded(lambda given: asked.append(list(given)) or 0.0, english)
    assert asked == [english, ["b", "c", "a"]]


@pytest.mark.data
@pytest.mark.slow
def test_the_quick_size_beats_chance(tmp_path: Path) -> None:
    found = text_text.measure(Work(tmp_path, "fp32", quick=True), 0)
    assert found["told/own"] < found["told/other"] - 0.03  # nats of a unit; alike by chance
    assert found["n"] == text_text.FEW


def test_the_nearest_text_is_the_most_alike() -> None:
    found = nearest(["grinning cat", "blue heart"], ["red heart", "house", "grinning face cat"])
    assert found.tolist() == [2, 0]


def test_what_was_measured_is_recorded_and_nothing_else(tmp_path: Path) -> None:
    values = {"bleu": 31.0, "chrf": 50.0, "n": 1000.0, "seed": 0.0}
    folder = tmp_path / "values"
    folder.mkdir()
    (folder / "text_text-test-0.json").write_text(json.dumps(values))
    written = record(Work(tmp_path, "fp32"), tmp_path / "results.json", [0])
    assert written == ["text->text/bleu", "text->text/chrf"]
    (first, _) = json.loads((tmp_path / "results.json").read_text())
    assert first["mean"] == 31.0 and first["n"] == 1000 and first["seeds"] == [0]
    assert "text_text record --precision fp32" in first["command"]


def test_every_row_has_a_name_of_its_own() -> None:
    names = [f"{row.task}/{name}" for row in ROWS for name in row.figures.values()]
    assert len(set(names)) == len(names)
