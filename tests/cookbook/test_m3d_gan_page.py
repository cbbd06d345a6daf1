"""M3D-GAN's page, of translators that have learned nothing: what it shows and plays of each."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from transmodal.cookbook.papers.cm_gans.sets import STYLES
from transmodal.cookbook.papers.m3d_gan import (
    emoji,
    image_image,
    names,
    page_speech,
    prompts_speech,
    speech_text,
    tatoeba,
    text_speech,
    text_text,
)
from transmodal.cookbook.papers.m3d_gan.page import SECTIONS, page
from transmodal.cookbook.papers.m3d_gan.page_pictures import SHOWN
from transmodal.cookbook.papers.m3d_gan.voices import STYLES as VOICES
from transmodal.cookbook.papers.m3d_gan.voices import Spoken
from transmodal.cookbook.work import Work
from transmodal.core.code import Code
from transmodal.core.signal import Signal
from transmodal.core.translator import Translator

SMALL = {"batch": 4, "width": 8, "latent": 2}
SPECTRUM = {"sample_rate": 16000, "seconds": 0.3, "n_fft": 512, "hop": 256, "mels": 16}
TEXTS = ("ab c", "it's d", "e f g")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    pictures = torch.rand(6, len(STYLES), 3, 64, 64).mul(255).to(torch.uint8)
    called = {language: [f"red thing {i}" for i in range(6)] for language in emoji.LATIN}
    concepts = emoji.Concepts(pictures, called, called, torch.zeros(6).long(), ("a",))
    for module in (image_image, names):
        monkeypatch.setattr(module, "load", lambda validate: (concepts, concepts))
    small = concepts.halved()
    t = torch.arange(3200) / 16000
    waves = [torch.sin(2 * math.pi * 200 * (1 + i) * t) for i in range(len(TEXTS) * len(VOICES))]
    styles = torch.arange(len(VOICES)).repeat_interleave(len(TEXTS))
    clips = Spoken(TEXTS * len(VOICES), waves, styles, 16000)
    monkeypatch.setattr(text_speech, "corpus", lambda work, which, count: clips)
    for module in (prompts_speech, page_speech):
        monkeypatch.setattr(module, "prompts", lambda which, rate, longest: clips.take(range(4)))
    for module in (text_speech, speech_text):
        monkeypatch.setattr(module, "SPECTRUM", SPECTRUM)
    pairs = tatoeba.Pairs(["one two", "three"] * 8, ["un deux", "trois"] * 8)
    monkeypatch.setattr(tatoeba, "load", lambda: (pairs, pairs, pairs))
    work = Work(tmp_path, "fp32", quick=True)
    drawn = [
        image_image.translator(s, 1, 1, {**SMALL, "tokens": 3}, small.size)
        for s in image_image.STEPS
    ]
    speaker, writer = text_speech.translator(True), speech_text.translator(True)
    made: list[tuple[str, Translator, tuple[str, ...]]] = [
        *((f"image_image-{s}", m, STYLES) for s, m in zip(image_image.STEPS, drawn, strict=True)),
        ("names", names.translator(names.Ends.of(small, True), True), STYLES),
        ("text_speech", speaker, tuple(VOICES)),
        ("prompts_speech", speaker, ()),
        ("speech_text", writer, ()),
        ("prompts_text", writer, ()),
        ("text_text", text_text.translator(pairs, True), ()),
    ]
    for tag, translator, classes in made:
        if not translator.connected:
            translator.connect(classes, seed=0)
        translator.save(tmp_path / "translators" / f"{tag}-0")
    assert {tag for tag, *_ in made} == set(SECTIONS)
    return work


def test_every_task_is_shown_and_what_sounds_can_be_played(work: Work) -> None:
    pictures = work.folder / "pictures"
    written = page(work, 0, pictures).read_text("utf-8")
    assert "Not trained yet" not in written
    sections = [part.split("</h2>")[0] for part in written.split("<h2>")[1:]]
    assert len(sections) == len(SECTIONS) + 1  # names has one for each way
    parts = dict(zip(sections, written.split("<h2>")[1:], strict=True))
    clips = len(TEXTS) * len(VOICES)
    said = parts["Text to speech"]
    assert said.count("<audio") == 3 * clips  # reference, made and real
    assert said.count("alignment</figcaption>") == clips
    assert parts["Text to speech of a person"].count("<audio") == 3 * 3
    assert parts["Speech to text"].count("<audio") == page_speech.HEARD
    assert parts["Speech of a person to text"].count("<audio") == 4
    assert parts["emoji to styled emoji"].count("<figure>") == 4
    assert "each universal token alone" in parts["edges to styled emoji"]
    assert parts["English to French"].count("<tr>") == 1 + 16
    found = {path.name for path in pictures.iterdir()}
    assert found == {"emoji-styles.png", "emoji-sampled.png", "edges-styles.png",
                     "edges-sampled.png", "words-pictures.png", "alignment.png"}  # fmt: skip


def test_a_task_without_a_translator_is_left_out(tmp_path: Path) -> None:
    written = page(Work(tmp_path), 0, tmp_path / "pictures").read_text("utf-8")
    assert "<h2>" not in written
    assert f"Not trained yet, and so not here: {', '.join(SECTIONS)}." in written


def test_references_stand_beside_what_was_made(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures shown as references are those whose style is taken."""
    train, _ = image_image.held(work, "test")
    model = image_image.translator("emoji", 1, 1, SMALL, train.size)
    model.connect(STYLES, seed=0)
    model.bridge.eval()
    wanted = torch.full((SHOWN,), 2)
    shown = image_image.references(train, wanted, 5)
    assert shown.shape == (SHOWN, 3, 32, 32)
    artist = train.of(STYLES[2]).values
    assert all(any(torch.equal(picture, own) for own in artist) for picture in shown)
    seen, style = [], model.bridge.style

    def watched(reference: Signal, domain: str) -> Code:
        seen.append(reference.values)
        return style(reference, domain)

    monkeypatch.setattr(model.bridge, "style", watched)
    image_image.styles_of(model, train, wanted, 5)
    assert torch.equal(torch.cat(seen), shown)
