"""M3D-GAN's recipes of speech, on tones instead of voices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from transmodal.cookbook.papers.m3d_gan import (
    prompts_speech,
    prompts_text,
    speech_text,
    text_speech,
)
from transmodal.cookbook.papers.m3d_gan.text_speech import Said
from transmodal.cookbook.papers.m3d_gan.voices import STYLES, Spoken
from transmodal.cookbook.work import Work
from transmodal.core.code import Code
from transmodal.core.signal import Signal

TEXTS = ["ab c", "it's d", "e f g"]
QUICK = {"steps": 2, "batch": 10, "width": 8, "listening": 2}
SPECTRUM = {"sample_rate": 16000, "seconds": 0.5, "n_fft": 512, "hop": 256, "mels": 16}


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
    for module in (text_speech, speech_text, prompts_text, prompts_speech):
        monkeypatch.setattr(module, "corpus", lambda work, which, count: tones(which))
        monkeypatch.setattr(module, "SPECTRUM", SPECTRUM)
    for module in (speech_text, prompts_text, prompts_speech):
        monkeypatch.setattr(module, "prompts", lambda which, rate, longest: tones())
    monkeypatch.setattr(text_speech, "QUICK", QUICK)
    monkeypatch.setattr(speech_text, "QUICK", {**QUICK, "listening": 0})
    monkeypatch.setattr(speech_text, "SPELT_QUICK", 2)
    for module in (prompts_text, prompts_speech):
        monkeypatch.setattr(module, "QUICK", 2)
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


def test_all_is_measured_and_remembered(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in QUICK.items():
        monkeypatch.setattr(text_speech, name.upper(), value)
    heard: list[int] = []

    class Deaf:
        def __init__(self, folder: Path) -> None: ...

        def hear(self, wave: Tensor, sample_rate: int) -> str:
            heard.append(len(wave))
            return TEXTS[(len(heard) - 1) % 3] if len(heard) <= 3 else "a"

    monkeypatch.setattr(text_speech, "Whisper", Deaf)
    monkeypatch.setattr(text_speech, "JUDGED", 12)
    full = Work(tmp_path / "full")
    monkeypatch.setattr(Work, "steps", lambda self, steps: 2)
    values = text_speech.measure(full, 0)
    assert values["wer_real"] == 0 and values["wer_swapped"] == 1
    assert values["every/n"] == 12 and 0 <= values["every/style"] <= 1
    alike = [values[f"every/similarity{key}"] for key in ("", "_other")]
    assert alike[0] != alike[1] and all(-1 <= value <= 1 for value in alike)
    assert heard[:3] == [len(tones().waves[i]) for i in (0, 4, 8)]
    before = len(heard)
    assert text_speech.measure(full, 0) == values and len(heard) == before
    monkeypatch.delattr(Deaf, "hear")
    # a quick run neither hears nor judges
    quick = text_speech.measure(work, 0)
    assert set(quick) == {"n", "seed", "told/own", "told/other_text", "told/other_style"}
    assert all(0 < quick[key] < 75 for key in quick if key.startswith("told/"))


def test_a_person_s_voice_is_a_style_more(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf:
        def __init__(self, folder: Path) -> None: ...

        def hear(self, wave: Tensor, sample_rate: int) -> str:
            return TEXTS[0]

    hers = prompts_speech.hers("train")
    assert hers.styles.tolist() == [len(STYLES)] * len(tones())
    speaker = text_speech.speaker(work, 0)
    with torch.no_grad():
        for p in speaker.bridge.parameters():
            p.add_(0.05)  # as no fresh weights are
    monkeypatch.setattr(text_speech, "speaker", lambda work, seed: speaker)
    rows = ("", "before/", "real/", "copy/")
    quick = prompts_speech.measure(work, 0)
    assert set(quick) == {"n", "seed", *(f"{row}style" for row in rows)}
    assert (work.folder / "origins" / "prompts_speech-0.json").is_file()
    before, after = dict(speaker.bridge.named_parameters()), prompts_speech.used_to_her(work, 0)
    assert after.bridge.classes == len(prompts_speech.VOICES)
    now = dict(after.bridge.named_parameters())
    moved = [float((before[key] - value).detach().abs().max()) for key, value in now.items()]
    assert 0 < max(moved) < 0.01  # it went on from where it was
    monkeypatch.setattr(prompts_speech, "Whisper", Deaf)
    monkeypatch.setattr(prompts_speech, "used_to_her", lambda work, seed: speaker)
    monkeypatch.setattr(Work, "steps", lambda self, steps: 2)
    full = Work(work.folder / "full")
    speaker.save(full.folder / "translators" / "prompts_speech-0")
    found = prompts_speech.measure(full, 0)
    assert set(found) == {*quick, *(f"{row}wer" for row in rows)}


def test_what_is_told_is_heeded_or_not() -> None:
    """A generator that says its style's pitch heeds the reference, and no text."""
    real = tones()
    ours = text_speech.translator(quick=True)
    ours.connect(tuple(STYLES))
    ours.bridge.eval()
    speech = ours.domains["speech"]

    def style(signal: Signal, domain: str) -> Code:
        return Code.of(signal.values[:, 5])  # a frame of the clip: its pitch

    class Says(nn.Module):
        def teach(self, code: Code, target: Signal, condition: Code) -> Signal:
            tokens = condition.tokens.expand(-1, target.values.shape[1], -1)
            return Signal(tokens, target.lengths)

    ours.bridge.generators["speech"] = Says()  # type: ignore[index, operator]
    ours.bridge.style = style  # type: ignore[assignment, method-assign]
    told = text_speech.heeded(ours, real)
    assert told["told/own"] == told["told/other_text"]
    assert told["told/other_style"] > told["told/own"] + 5
    wave = speech.collate(real.waves)
    by_hand = [
        (wave.values[i, :n] - wave.values[i // 3 * 3 + (i + 1) % 3, 5]).abs().mean(1).sum()
        for i, n in enumerate(wave.mask().sum(1).tolist())
    ]
    assert told["told/own"] == pytest.approx(float(75 * sum(by_hand) / wave.mask().sum()), rel=1e-4)


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


def test_speech_to_text_begins_with_what_has_learned_to_spell(work: Work) -> None:
    values = speech_text.measure(work, 0)
    assert {"cer", "wer", "spelling/cer", "unseen/cer", "unseen/n", "n"} <= set(values)
    assert values["n"] == len(tones()) and values["cer"] > 0
    assert speech_text.measure(work, 0) == values  # remembered


def test_what_spells_voices_goes_on_with_a_persons_prompts(work: Work) -> None:
    values = prompts_text.measure(work, 0)
    assert values["n"] == values["voices/n"] == len(tones())
    before, after = speech_text.spelt(work, 0), prompts_text.used_to_her(work, 0)
    moved = [
        not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True)
    ]
    assert all(moved)
    table = prompts_text.table(work, speech_text.modalities(), 0)
    speech, text = (table.columns[end] for end in prompts_text.ENDS)
    assert len(speech) == len(text) == 2 * 2 + 2
    clips, changed = (speech.take(torch.arange(i, i + 2)) for i in (0, 2))
    assert not torch.equal(clips.values, changed.values)
    words = text.take(torch.arange(4)).values
    assert torch.equal(words[:2], words[2:])


def test_errors_are_counted_over_what_was_said() -> None:
    real = tones().take([0, 1])
    assert speech_text.errors(real.texts, real) == {"cer": 0.0, "wer": 0.0}
    assert speech_text.errors(["ab c", ""], real)["cer"] == pytest.approx(6 / 10)


@pytest.mark.data
@pytest.mark.slow
def test_quick_spelling_beats_chance(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    heard = speech_text.measure(Work(tmp_path, "fp32", quick=True), 0)
    assert heard["spelling/cer"] < 0.7 * heard["chance/cer"]  # of the best constant answer


@pytest.mark.data
@pytest.mark.slow
def test_a_quick_voice_heeds_references(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    said = text_speech.measure(Work(tmp_path, "fp32", quick=True), 0)
    assert said["told/own"] < said["told/other_style"] - 0.5  # decibels; alike by chance
