"""Names to emoji and emoji to names: what is read, rows, ranks, and both ways at toy size."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from transmodal.cookbook.papers.cm_gans.sets import STYLES
from transmodal.cookbook.papers.m3d_gan import emoji, emoji_judges, mobilenet, names, record
from transmodal.cookbook.papers.m3d_gan.emoji import Concepts
from transmodal.cookbook.work import Work

COLOURS = ("red", "green", "blue", "grey", "pink", "brown")


def toy() -> Concepts:
    """Squares of a colour and a place of their own, a little smaller from style to style."""
    n = len(COLOURS)
    pictures = torch.full((n, len(STYLES), 3, 64, 64), 255, dtype=torch.uint8)
    for i in range(n):
        for k in range(len(STYLES)):
            pictures[i, k, i % 3, 8 + 6 * i : 28 + 6 * i, 10 + k : 40 - k] = 30 * i
    called = {language: [f"{colour} square" for colour in COLOURS] for language in emoji.LATIN}
    words = {language: [f"{colour} box box" for colour in COLOURS] for language in ("en", "fr")}
    return Concepts(pictures, called, words, torch.arange(n) % 2, ("a", "b"))


class Sight:
    """A frozen network's stand-in: where a picture is dark, and its mean colour as texture."""

    net = None

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        return normalize((1 - pictures).flatten(1) + 1e-6)

    def texture(self, pictures: torch.Tensor) -> torch.Tensor:
        nothing = torch.zeros(len(pictures), mobilenet.TEXTURES - 3)
        return torch.cat([pictures.mean((2, 3)), nothing], 1)


def test_words_are_the_name_and_what_it_lacks() -> None:
    concepts = toy()
    assert names.words(concepts)[0] == " red square box box"
    long = "x" * (names.LONGEST - 1)
    assert names.joined([long, "y"]) == f" {long}"
    assert names.joined(["a", long, "b"]) == " a b"


def test_variants_hold_some_of_the_words_and_never_none() -> None:
    concepts, draws = toy(), random.Random(0)
    found = [names.varied(concepts, draws)[0] for _ in range(60)]
    assert all(set(text.split()) <= {"red", "square", "box"} and text.strip() for text in found)
    assert len(set(found)) > 8
    assert " box red square" in found


def test_rows_belong_together_and_only_pictures_that_are_read_move() -> None:
    concepts = toy()
    ends = names.Ends.of(concepts, quick=True)
    table = names.table(concepts, ends)
    rows = len(COLOURS) * len(STYLES) * names.VARIANTS
    some = torch.arange(0, rows, 7)
    texts = ends.text.split(table.columns[names.NAME].take(some))
    drawn = table.columns[names.DRAWING]
    labels = drawn.labels[some]
    values = drawn.take(some).values
    for text, label, picture in zip(texts, labels.tolist(), values, strict=True):
        wanted = concepts.of(STYLES[label]).values[COLOURS.index(text.split()[0])]
        assert torch.equal(picture, wanted)
    assert not torch.equal(values, table.columns[names.PICTURE].take(some).values)
    assert drawn.labels.bincount().tolist() == [rows // len(STYLES)] * len(STYLES)


def test_a_rank_counts_those_not_below() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0], [2.0, 1.0, 0.0], [2.0, 3.0, 1.0]])
    assert names.rank(scores) == pytest.approx((0 + 1 + 2) / 3 / 2)
    for nothing in (0.0, float("nan")):  # who tells nobody apart is right about nobody
        assert names.rank(torch.full((3, 3), nothing)) == 1


def test_both_ways_are_measured_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    concepts = toy()
    monkeypatch.setattr(names, "load", lambda validate: (concepts, concepts))
    small = {"steps": 3, "batch": 10, "width": 16, "listening": 4, "latent": 2, "warmup": 4}
    monkeypatch.setattr(names, "QUICK", small)
    monkeypatch.setattr(emoji_judges, "mobilenet", lambda size: Sight())
    found = names.measure(Work(tmp_path, "fp32", quick=True), 0)
    assert found["n"] == len(COLOURS)
    assert found["text_image/nearest_name"] == found["text_image/nearest_words"] == 1
    assert found["image_text/nearest_picture"] == 1
    assert all(0 <= found[f"{way}/rank"] <= 1 for way in ("text_image", "image_text"))
    assert names.measure(Work(tmp_path, "fp32", quick=True), 0) == found
    written = record.record(Work(tmp_path, "fp32"), tmp_path / "results.json", [0])
    assert {"text->image/top1", "image->text/top1_likelihood"} <= set(written)


@pytest.mark.data
@pytest.mark.slow
def test_the_quick_size_beats_chance_on_concepts_it_never_saw(tmp_path: Path) -> None:
    train, test = names.held(Work(tmp_path, quick=True), "test")
    assert not set(train.names["en"]) & set(test.names["en"])
    assert (len(train), len(test)) == (47, 10)
    ends = names.Ends.of(train, True)
    model = names.translator(ends, True)
    model.fit(names.table(train, ends), seed=0, progress=False)
    told = names.heeded(model, train, test)
    assert told["told/naming"] < 0.75 * told["told/naming/other"]  # by chance alike, and
    assert told["told/drawing"] < told["told/drawing/other"] - 0.003
    assert names.rank(names.likelier(model, train, test)) < 0.3  # .5
