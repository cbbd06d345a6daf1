"""Speech synthesis."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec

import pytest
import torch

from transmodal.cookbook.demo import espeak
from transmodal.core.errors import DataError, SettingError, UnsupportedError

needs_espeak = pytest.mark.skipif(
    not find_spec("espeakng_loader"),
    reason="espeakng-loader is missing: pip install 'transmodal[demo]'",
)
ASKED = [("seven", "en+f2", 170, 60), ("one", "en-us+klatt", 140, 20), ("two", "en+m3", 200, 50)]


@needs_espeak
def test_two_engines_say_the_same():
    first, second = espeak.Engine(), espeak.Engine()
    for _ in range(2):
        for asked in ASKED:
            assert torch.equal(first.say(*asked), second.say(*asked))


@needs_espeak
def test_what_it_says_is_audible_and_of_the_length_of_a_word():
    engine = espeak.Engine()
    assert engine.sample_rate == 22050
    for asked in ASKED:
        wave = engine.say(*asked)
        assert 0.15 < len(wave) / engine.sample_rate < 1.2
        assert 0.05 < wave.abs().max() <= 1
        assert wave.square().mean().sqrt() > 0.01


@needs_espeak
def test_rate_and_pitch_do_what_they_say():
    import librosa

    engine = espeak.Engine()
    assert len(engine.say("five", rate=100)) > 2 * len(engine.say("five", rate=300))

    def hertz(pitch: int) -> float:
        wave = engine.say("nine", "en", 120, pitch).numpy()
        return float(torch.tensor(librosa.yin(wave, fmin=40, fmax=400, sr=22050)).median())

    assert hertz(90) > 1.5 * hertz(5)


@needs_espeak
def test_words_and_voices_differ():
    engine = espeak.Engine()
    assert not torch.equal(engine.say("seven"), engine.say("three"))
    assert not torch.equal(engine.say("seven", "en+f2"), engine.say("seven", "en+m3"))
    assert {"f1", "m1", "klatt"} <= set(espeak.variants())


@needs_espeak
def test_what_cannot_be_said():
    engine = espeak.Engine()
    with pytest.raises(SettingError, match="no voice 'xx-no'; give a language"):
        engine.say("x", "xx-no")
    with pytest.raises(SettingError, match="rate"):
        engine.say("x", rate=10)
    with pytest.raises(SettingError, match="pitch"):
        engine.say("x", pitch=100)
    with pytest.raises(DataError, match="says nothing for ''"):
        engine.say("")


def test_a_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UnsupportedError, match=re.escape("pip install 'transmodal[demo]'")):
        espeak.Engine()
    with pytest.raises(UnsupportedError, match="espeakng-loader"):
        espeak.variants()


def test_a_library_that_does_not_load(monkeypatch, tmp_path):
    class Package:
        @staticmethod
        def get_library_path() -> str:
            (tmp_path / "lib.so").write_bytes(b"no library")
            return str(tmp_path / "lib.so")

    monkeypatch.setitem(sys.modules, "espeakng_loader", Package)
    with pytest.raises(UnsupportedError, match="does not load on this machine"):
        espeak.Engine()
