"""M3D-GAN's recipes of speech, on tones instead of voices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from transmodal.cookbook.papers.latent_transfer.models import Work
from transmodal.cookbook.papers.m3d_gan import speech_text, text_speech
from transmodal.cookbook.papers.m3d_gan.text_speech import Said
from transmodal.cookbook.papers.m3d_gan.voices import STYLES, Spoken

TEXTS = ["ab c", "it's d", "e f g"]


def tones(which: str = "test") -> Spoken:
    """Each text in every style, one style after the other; the style is the pitch."""
    count, n = len(TEXTS), len(STYLES)
    t = torch.arange(6400) / 16000
    waves = [
        0.5 * torch.sin(2 * math.pi * 200 * (1 + i // count) * t[: 4000 + 800 * (i % count)])
        for i in range(count * n)
    ]
    styles = torch.tensor([i // count for i in range(count * n)])
    return Spoken(TEXTS * n, waves, styles, 16000)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    for module in (text_speech, speech_text):
        monkeypatch.setattr(module, "corpus", lambda work, which, count: tones(which))
        monkeypatch.setattr(module, "QUICK", {"steps": 2, "batch": 4, "width": 8})
    return Work(tmp_path, quick=True)


def test_records_carry_the_style() -> None:
    records = text_speech.records(tones())
    assert records.labels[0] == next(iter(STYLES)) and records.labels[-1] == list(STYLES)[-1]
    assert records.columns["text"].items[4] == TEXTS[1]


def test_references_are_of_the_style_and_of_another_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = tones()
    seen: list[Sequence[Tensor]] = []

    def say(ours: object, texts: Sequence[str], references: Sequence[Tensor]) -> Said:
        seen.append(references)
        return Said([], [])

    monkeypatch.setattr(text_speech, "say", say)
    text_speech.said_in_all(None, real, 3)  # type: ignore[arg-type]
    for i, reference in enumerate(seen[0]):
        place = next(k for k, wave in enumerate(real.waves) if wave is reference)
        assert real.styles[place] == real.styles[i]
        assert real.texts[place] != real.texts[i]


def test_references_begin_as_those_of_the_listener(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_speech, "LISTENED", 2)
    ours = text_speech.begun(work, 0)
    wanted = text_speech.listened(work, 0).encoder.state_dict()
    found = ours.bridge.references["speech"].state_dict()  # type: ignore[index, union-attr]
    assert all(torch.equal(found[key], value) for key, value in wanted.items())


def test_what_is_said_and_where_it_looked(work: Work) -> None:
    ours = text_speech.translator(quick=True)
    ours.connect(tuple(STYLES))
    ours.bridge.eval()
    said = text_speech.say(ours, TEXTS, tones().waves[:3])
    assert len(said.waves) == 3
    for text, alignment in zip(TEXTS, said.alignments, strict=True):
        assert alignment.shape[1] == len(text) + 1  # its end is a token
        assert torch.allclose(alignment.sum(1), torch.ones(len(alignment)), atol=1e-4)


def test_silence_is_judged_and_not_refused() -> None:
    for wave in (torch.zeros(0), torch.zeros(500)):
        assert text_speech.hearable(wave).abs().max() == 1
    wave = torch.rand(9)
    assert text_speech.hearable(wave) is wave


def test_speech_to_text_begins_with_what_has_learned_to_spell(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_text, "prompts", lambda which, rate, longest: tones())
    values = speech_text.measure(work, 0)
    assert {"cer", "wer", "spelling/cer", "unseen/cer", "unseen/n", "n"} <= set(values)
    assert values["n"] == len(tones()) and values["cer"] > 0
    assert speech_text.measure(work, 0) == values  # remembered


def test_errors_are_counted_over_what_was_said() -> None:
    real = tones().take([0, 1])
    assert speech_text.errors(real.texts, real) == {"cer": 0.0, "wer": 0.0}
    assert speech_text.errors(["ab c", ""], real)["cer"] == pytest.approx(6 / 10)
