"""Sound in files: round trips of 16 bits, channels, rates, and every kind of bad file."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch

from transmodal.core.errors import MediaError
from transmodal.core.sound import files
from transmodal.plugins.speech.modality import Speech

RATE = 8000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(4000) / RATE)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_round_trip_is_exact_to_16_bits(tmp_path: Path, suffix: str) -> None:
    speech = Speech()
    speech.write(torch.from_numpy(TONE), tmp_path / f"a{suffix}")
    assert soundfile.info(tmp_path / f"a{suffix}").samplerate == RATE
    item = speech.read(tmp_path / f"a{suffix}")
    assert np.abs(item.numpy() - TONE).max() <= 0.5 / 32768 + 1e-7
    speech.write(item, tmp_path / f"b{suffix}")
    assert torch.equal(speech.read(tmp_path / f"b{suffix}"), item)


def test_what_is_too_loud_clips_and_does_not_wrap(tmp_path: Path) -> None:
    Speech().write(torch.tensor([2.0, -2.0, 1.0, -1.0]), tmp_path / "a.wav")
    assert Speech().read(tmp_path / "a.wav").tolist() == pytest.approx([1, -1, 1, -1], abs=1e-4)


def test_channels_are_averaged_and_rates_changed(tmp_path: Path) -> None:
    stereo = np.stack([TONE, np.zeros_like(TONE)], 1)
    soundfile.write(tmp_path / "stereo.wav", stereo, RATE)
    item = Speech().read(tmp_path / "stereo.wav")
    assert np.abs(item.numpy() - TONE / 2).max() < 1e-4
    soundfile.write(tmp_path / "fast.wav", TONE, 11025)
    item = Speech().read(tmp_path / "fast.wav")
    again = soundfile.read(tmp_path / "fast.wav", dtype="float32")[0]
    wanted = librosa.resample(again, orig_sr=11025, target_sr=RATE)
    assert np.array_equal(item.numpy(), wanted)
    spectrum = np.abs(np.fft.rfft(item.numpy()))
    assert spectrum.argmax() * RATE / len(item) == pytest.approx(
        440 * 11025 / 8000, abs=RATE / len(item)
    )


def _wav(tmp_path: Path, samples: np.ndarray = TONE) -> bytes:
    soundfile.write(tmp_path / "good.wav", samples, RATE)
    return (tmp_path / "good.wav").read_bytes()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda wav: b"", "not a readable sound"),
        (lambda wav: b"this is text\n" * 50, "not a readable sound"),
        (lambda wav: wav[:20], "not a readable sound"),
        (lambda wav: wav[: len(wav) // 2], "truncated, 1989 samples are left"),
        (lambda wav: wav[:-2], "truncated"),
    ],
    ids=["empty", "text", "no header", "half", "one sample short"],
)
def test_a_bad_wav_is_named(tmp_path: Path, make, says: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "bad.wav").write_bytes(make(_wav(tmp_path)))
    with pytest.raises(MediaError, match=rf"bad\.wav: {says}"):
        Speech().read(tmp_path / "bad.wav")


def test_a_truncated_flac_is_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 40000)
    soundfile.write(tmp_path / "a.flac", noise, RATE)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match=r"a\.flac: (not a readable sound|truncated)"):
        Speech().read(tmp_path / "a.flac")


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_a_truncated_ogg_is_named(tmp_path: Path, share: float) -> None:
    """libsndfile reads the pages that are whole, and says nothing of the rest."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 40000)
    soundfile.write(tmp_path / "a.ogg", noise, RATE)
    assert len(Speech().read(tmp_path / "a.ogg")) == len(noise)
    whole = (tmp_path / "a.ogg").read_bytes()
    (tmp_path / "a.ogg").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(MediaError, match=r"a\.ogg: truncated"):
        Speech().read(tmp_path / "a.ogg")


@pytest.mark.parametrize("length", [0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_stream_that_does_not_say_its_length_is_read(tmp_path: Path, length: int) -> None:
    """As SoX (the first) and others write WAV files into a pipe."""
    wav = _wav(tmp_path)
    place = wav.index(b"data") + 4
    stream = wav[:place] + length.to_bytes(4, "little") + wav[place + 4 :]
    (tmp_path / "stream.wav").write_bytes(stream)
    whole = Speech().read(tmp_path / "good.wav")
    assert torch.equal(Speech().read(tmp_path / "stream.wav"), whole)


def test_files_without_samples_and_missing_ones_are_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", TONE[:0], RATE)
    with pytest.raises(MediaError, match=r"none\.wav: holds no samples"):
        Speech().read(tmp_path / "none.wav")
    with pytest.raises(MediaError, match=r"gone\.wav: no such file"):
        Speech().read(tmp_path / "gone.wav")


def test_the_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(5 * RATE), RATE)
    monkeypatch.setattr(files, "MAX_SECONDS", 4.0)
    with pytest.raises(MediaError, match=r"a\.wav: 5 s, more than the limit of 4 s"):
        Speech().read(tmp_path / "a.wav")
    monkeypatch.setattr(files, "MAX_BYTES", 1000)
    with pytest.raises(MediaError, match=r"a\.wav: .* bytes, more than the limit of 1,000"):
        Speech().read(tmp_path / "a.wav")


def test_files_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.png: sound is written as one of \.wav, \.flac"):
        Speech().write(torch.from_numpy(TONE), tmp_path / "a.png")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(MediaError, match=r"cannot write .*a\.wav: .*choose another folder"):
        Speech().write(torch.from_numpy(TONE), tmp_path / "file" / "a.wav")


@pytest.mark.parametrize("rate", [RATE, 11025])
def test_samples_that_are_no_numbers_are_refused(tmp_path: Path, rate: int) -> None:
    samples = np.array([0.1, np.nan, 0.2, np.inf] * 100, np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    with pytest.raises(MediaError, match=r"a\.wav: has samples that are NaN or infinite"):
        Speech().read(tmp_path / "a.wav")
