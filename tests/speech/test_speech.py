"""Speech items and signals: collate and back, bad items, augmentation, likelihood, metrics."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, stats

from transmodal.core.errors import DataError, SettingError
from transmodal.core.signal import Signal
from transmodal.plugins.audio.modality import Audio
from transmodal.plugins.speech.modality import Speech

T = np.arange(8000) / 8000
CHIRP = (np.sin(2 * np.pi * (300 + 500 * T) * T) * np.hanning(8000)).astype(np.float32)


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(600, 8000), min_size=1, max_size=4))
def test_collate_lays_every_length_into_the_window(lengths: list[int]) -> None:
    speech = Speech(trim=None)
    signal = speech.collate([CHIRP[-n:] for n in lengths])
    assert signal.values.shape == (len(lengths), 63, 40)
    assert signal.lengths is not None
    assert signal.lengths.tolist() == [1 + n // 128 for n in lengths]
    assert (signal.values[~signal.mask()] == 0).all()
    for i, n in enumerate(lengths):
        alone = speech.collate([CHIRP[-n:]])
        assert torch.allclose(alone.values[0], signal.values[i], atol=1e-5)


def test_what_is_split_collates_to_nearly_the_same() -> None:
    speech = Speech(trim=None)
    real = speech.collate([CHIRP, CHIRP[2000:5000]])
    waves = speech.split(real)
    assert [len(wave) for wave in waves] == pytest.approx([62 * 128, 23 * 128], abs=4 * 128)
    assert all(wave.abs().max() <= 1 for wave in waves)
    made = speech.collate(waves)
    assert speech.metrics()["log_mel_db"](made, real) < 5
    assert speech.split(real[:0]) == []


def test_split_cuts_silence_and_survives_nothing_but_silence() -> None:
    speech = Speech()
    values = torch.zeros(2, 63, 40)
    values[1, :20] = 0.5
    waves = speech.split(Signal(values))
    assert [len(wave) for wave in waves] == [128, 19 * 128]
    assert waves[0].abs().max() < 1e-5


def test_level_and_leading_silence_make_no_difference() -> None:
    speech = Speech(trim=30)
    tone = np.sin(2 * np.pi * 500 * np.arange(3072) / 8000).astype(np.float32)
    late = np.concatenate([np.zeros(1024, np.float32), 0.01 * tone, np.zeros(2048, np.float32)])
    signal = speech.collate([np.concatenate([tone, np.zeros(2048, np.float32)]), late])
    assert signal.lengths is not None
    assert abs(int(signal.lengths[0] - signal.lengths[1])) <= 4  # trimmed to a frame or so
    assert signal.values[0].max() == pytest.approx(signal.values[1].max().item(), abs=1e-3)


@pytest.mark.parametrize("decibels", [30, 60, 120])
@pytest.mark.parametrize("level", [1e30, 1.0, 0.03, 2e-4])
def test_silence_is_trimmed_from_clips_of_any_level(decibels: float, level: float) -> None:
    clip = np.pad(np.resize(np.float32([level, -level]), 2048), (2048, 2048))
    signal = Speech(trim=decibels).collate([clip])
    assert signal.lengths is not None
    assert signal.lengths.tolist() == [1 + 2048 // 128 + 3]  # what touches the sound, and it


def test_every_form_of_an_item() -> None:
    speech = Speech(trim=None)
    short = (CHIRP * 32767).astype(np.int16)
    forms = [CHIRP, torch.from_numpy(CHIRP), CHIRP.tolist(), (CHIRP, 8000), short]
    values = speech.collate(forms).values
    for value in values:
        assert torch.allclose(value, values[0], atol=2e-2)  # int16 lifts the noise floor


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ((CHIRP, 16000), "item 1 is at 16000 Hz, not 8000 Hz; resample it"),
        ((CHIRP, "8000"), "item 1 is at '8000' Hz, not 8000 Hz"),
        (CHIRP[:0], "item 1 is empty"),
        (np.zeros(800, np.float32), r"item 1 is silent \(its peak is 0\)"),
        (np.full(800, np.nan, np.float32), "item 1 has samples that are NaN or infinite"),
        (np.full(800, np.inf, np.float32), "item 1 has samples that are NaN or infinite"),
        (np.ones((2, 800), np.float32), r"item 1 has shape \(2, 800\), not \(t,\); average"),
        (np.ones(800, np.int64), "item 1 is torch.int64; give int16 or floats"),
        ("a.wav", r"item 1 is no waveform \(of a file, give pathlib\.Path"),
    ],
)
def test_bad_items_are_named_by_their_place(bad: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Speech().collate([CHIRP, bad])


def test_loudness_matters_only_without_normalising() -> None:
    with pytest.raises(DataError, match="item 0 peaks at 3; scale it"):
        Speech(normalise=False, trim=None).collate([np.full(800, 3, np.float32)])
    with pytest.raises(DataError, match="no items to collate"):
        Speech().collate([])


def test_what_is_too_long_is_cut_with_a_warning_that_counts() -> None:
    speech = Speech(seconds=0.5, trim=None)
    with pytest.warns(
        UserWarning, match=r"2 of 3 clips are longer .* 0\.5 s and were cut .*1\.00 s"
    ):
        signal = speech.collate([CHIRP, CHIRP[:4000], CHIRP])
    assert signal.values.shape[1] == speech.frames == 32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        speech.collate([CHIRP[:4000]])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"sample_rate": 100}, "sample_rate must be a whole number >= 4000 <= 48000, not 100"),
        ({"seconds": 0}, "seconds must be a number >= 0.1 <= 60"),
        ({"n_fft": 10}, "n_fft must be"),
        ({"hop": 500}, "hop must be a whole number >= 1 <= 256, not 500"),
        ({"hop": 100}, r"n_fft \(512\) must be even and a multiple of hop \(100\)"),
        ({"mels": 100}, "mels must be a whole number >= 8 <= 64, not 100"),
        ({"trim": 0}, "trim must be"),
        ({"augmentation": 9}, "augmentation must be"),
        ({"std": 0}, "std must be"),
    ],
)
def test_wrong_settings_fail_at_construction(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        Speech(**wrong)


def test_settings_make_its_twin() -> None:
    speech = Speech(16000, 2.0)
    assert repr(Speech(**speech.settings())) == repr(speech)
    assert (speech.n_fft, speech.hop, speech.mels, speech.frames) == (1024, 256, 80, 126)


def test_librosa_is_not_loaded_for_shapes() -> None:
    code = (
        "import sys, torch\n"
        "from transmodal.core.signal import Signal\n"
        "from transmodal.plugins.speech.modality import Speech\n"
        "s = Speech()\n"
        "s.generator(4)(s.prenet(4, pooled=True)(Signal(torch.zeros(1, 63, 40))))\n"
        "print([m for m in ('librosa', 'numba', 'soundfile', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_augment_is_a_function_of_its_generator_and_keeps_padding_silent() -> None:
    speech = Speech(trim=None)
    signal = speech.collate([CHIRP, CHIRP[1000:5000]])
    first = speech.augment(signal, torch.Generator().manual_seed(3))
    state = torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16):
        again = speech.augment(signal, torch.Generator().manual_seed(3))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first.values, again.values)
    assert first.lengths is not None
    assert again.lengths is not None
    assert torch.equal(first.lengths, again.lengths)
    assert (first.values[~first.mask()] == 0).all()
    assert first.values.min() >= 0
    assert first.values.shape == signal.values.shape
    other = speech.augment(signal, torch.Generator().manual_seed(4))
    assert not torch.allclose(first.values, other.values, atol=1e-2)
    assert Speech(augmentation=0).augment(signal, torch.Generator()) is signal
    bare = speech.augment(Signal(signal.values), torch.Generator().manual_seed(3))
    assert bare.lengths is None


def test_lengths_follow_the_sound_when_augmented() -> None:
    """The last loud frame and the length stay together under tempo and shift."""
    speech = Speech(trim=None)
    values = torch.zeros(200, 63, 40)
    values[:, :30] = 0.8
    signal = Signal(values, torch.full((200,), 30))
    made = speech.augment(signal, torch.Generator().manual_seed(0))
    assert made.lengths is not None
    loud = (made.values.mean(2) > 0.4).float()
    last = (loud * torch.arange(1, 64)).amax(1)
    assert (last - made.lengths).abs().max() <= 1
    assert made.lengths.unique().numel() > 5


def test_reconstruction_is_the_normal_likelihood_over_the_whole_window() -> None:
    made, real = torch.rand(3, 63, 40), torch.rand(3, 63, 40)
    lengths = torch.tensor([5, 63, 1])
    nats = Speech(std=0.2).reconstruction(Signal(made), Signal(real, lengths))
    constant = 63 * 40 * (0.5 * math.log(2 * math.pi) + math.log(0.2))
    logp = stats.norm(made.numpy(), 0.2).logpdf(real.numpy()).sum((1, 2))
    assert np.allclose(nats.numpy() + constant, -logp, rtol=1e-5)


def test_an_error_costs_as_much_in_a_short_clip_as_in_a_long_one() -> None:
    lengths = torch.tensor([2, 10])
    real = Signal(torch.zeros(2, 10, 4), lengths)
    made = Signal(torch.full((2, 10, 4), 0.2), lengths)
    windowed, sequence = Speech(std=0.2), Speech(std=0.2, reduction=1)
    assert windowed.counted(real).tolist() == [40, 40]
    assert sequence.counted(real).tolist() == [8, 40]
    for modality, nats in ((windowed, 0.5), (sequence, 1.0)):
        each = modality.reconstruction(made, real) / modality.counted(real)
        torch.testing.assert_close(each, torch.full((2,), nats))


def test_metrics_against_other_arithmetic() -> None:
    speech = Speech()
    g = torch.Generator().manual_seed(0)
    lengths = torch.tensor([63, 20])
    a = Signal(torch.rand(2, 63, 40, generator=g), lengths)
    b = Signal(torch.rand(2, 63, 40, generator=g), lengths)
    metrics = speech.metrics()
    mask = a.mask().numpy()
    decibels = 75 * np.abs(a.values.numpy() - b.values.numpy())[mask].mean()
    assert metrics["log_mel_db"](a, b) == pytest.approx(decibels, rel=1e-5)
    amplitude = (a.values - b.values).numpy() * 7.5 * np.log(10) / 2
    cepstra = fft.dct(amplitude, norm="ortho")[..., 1:14]
    mcd = (10 / np.log(10) * np.sqrt(2 * (cepstra**2).sum(-1)))[mask].mean()
    assert metrics["mel_cepstral_db"](a, b) == pytest.approx(mcd, rel=1e-4)
    assert all(metric(a, a) == 0 for metric in metrics.values())
    # 6.02 dB up everywhere doubles the amplitudes: |2B - B| / |B| = 1
    louder = Signal(b.values + 20 * math.log10(2) / 75, lengths)
    assert metrics["spectral_convergence"](louder, b) == pytest.approx(1, abs=0.02)


def test_metrics_hold_what_is_missing_against_silence() -> None:
    g = torch.Generator().manual_seed(0)
    real = Signal(torch.rand(2, 63, 40, generator=g), torch.tensor([63, 20]))
    whole = real.values * real.mask()[..., None]
    begun = whole * (torch.arange(63) < 5)[:, None]
    same = torch.full((2,), 5)
    for name, metric in Speech().metrics().items():
        silent = metric(Signal(begun, real.lengths), real)  # as long, and silent after 5 frames
        assert silent > 0, name
        assert metric(Signal(begun[:, :5], same), real) == pytest.approx(silent), name
        assert metric(Signal(whole, same), real) == pytest.approx(silent), name


def test_a_preview_shows_time_to_the_right_and_pitch_upwards() -> None:
    low = np.sin(2 * np.pi * 200 * T).astype(np.float32)
    low[4000:] = 0
    preview = Speech().preview(low)
    assert preview.picture.shape == (3, 40, 63)
    assert preview.sample_rate == 8000
    assert preview.sound is not None
    assert preview.sound.shape == (8000,)
    light = preview.picture.sum(0)
    assert light[30:, :30].mean() > 3 * light[:10, :30].mean()
    assert light[30:, :30].mean() > 3 * light[30:, 36:].mean()


def test_pitch_is_heard_within_a_per_cent() -> None:
    buzz = sum(np.sin(2 * np.pi * 150 * k * T) / k for k in range(1, 9))
    buzz = np.concatenate([buzz, np.zeros(4000)]).astype(np.float32)
    hertz, voiced = Speech().pitch(buzz / 4)
    assert hertz[voiced].median() == pytest.approx(150, rel=0.01)
    assert voiced[5:50].float().mean() > 0.9
    assert not voiced[-20:].any()
    assert (hertz[~voiced] == 0).all()


@pytest.mark.parametrize("modality", [Speech(), Audio()])
def test_resampling_helper(modality: Speech | Audio) -> None:
    rate = 2 * modality.sample_rate
    wave = 0.3 * torch.sin(torch.arange(rate) * 0.2)
    made = modality.resample(wave, rate)
    assert len(made) == modality.sample_rate
    whole = (wave * 32768).round().to(torch.int16)
    torch.testing.assert_close(modality.resample(whole, rate), made, atol=1e-4, rtol=0)
    with pytest.raises(DataError, match="NaN or infinite"):
        modality.resample(torch.tensor([0.0, math.nan]), rate)
    for wrong in (0, -rate, str(rate), math.nan, math.inf):
        with pytest.raises(SettingError, match="a sound's rate is a number of hertz >= 1, not"):
            modality.resample(wave, wrong)
    assert torch.equal(modality.resample(wave, np.int64(rate)), made)  # as tables hold it
