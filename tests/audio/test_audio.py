"""Audio items and signals in both forms: windows, bad items, augmentation, metrics, files."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from transmodal.core.code import Code
from transmodal.core.errors import DataError, MediaError, SettingError
from transmodal.core.signal import Signal
from transmodal.plugins.audio.modality import Audio

RATE = 8000
MEL = Audio("mel", RATE)
RASTER = Audio("raster", RATE)
FORMS = pytest.mark.parametrize("audio", [MEL, RASTER], ids=["mel", "raster"])
T = np.arange(RATE) / RATE
CHIRP = (np.sin(2 * np.pi * (300 + 300 * T) * T) * np.hanning(RATE)).astype(np.float32)


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(512, 12000), min_size=1, max_size=3), raster=st.booleans())
def test_every_length_becomes_one_window(lengths: list[int], raster: bool) -> None:
    audio = RASTER if raster else MEL
    items = [np.resize(CHIRP[1000:], n) for n in lengths]
    signal = audio.collate(items)
    assert signal.values.shape == (len(lengths), 1, *audio.size)
    assert signal.lengths is None
    assert signal.values.min() >= 0
    for i, item in enumerate(items):
        assert torch.allclose(audio.collate([item]).values[0], signal.values[i], atol=1e-5)


def test_the_mel_form_is_librosas_turned_upright() -> None:
    wanted = librosa.feature.melspectrogram(
        y=CHIRP / np.abs(CHIRP).max(), sr=RATE, n_fft=512, hop_length=128, n_mels=40
    )
    wanted = (np.log(wanted + 1e-5) - np.log(1e-5)) / (7.5 * np.log(10))
    values = MEL.collate([CHIRP]).values[0, 0].numpy()
    assert values.shape == (40, 63)
    assert np.abs(values[::-1] - wanted).max() < 1e-3


def test_the_raster_of_a_slow_sine_is_that_sine() -> None:
    """Through the window, the thinning, the scale, the drawing and back to 1/64 of full scale."""
    sine = 0.3 * np.sin(2 * np.pi * 250 * np.arange(512) / RATE + 1).astype(np.float32)
    values = RASTER.collate([sine]).values
    assert values.shape == (1, 1, 64, 128)
    [again] = RASTER.split(Signal(values))
    assert again.shape == (512,)
    assert np.abs(again.numpy() - sine / 0.3)[32:-32].max() / 2 < 1 / 64


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), normalise=st.booleans())
def test_what_is_split_from_rasters_collates_to_the_same(seed: int, normalise: bool) -> None:
    audio = Audio("raster", RATE, normalise=normalise)
    item = torch.randn(512, generator=torch.Generator().manual_seed(seed))
    real = audio.collate([item / item.abs().max()])
    waves = audio.split(real)
    assert waves[0].abs().max() <= 1
    amplitudes = audio.drawing.trace  # type: ignore[union-attr]
    apart = amplitudes(audio.collate(waves).values) - amplitudes(real.values)
    assert apart.abs().max() / 2 < 1 / 64


def test_what_is_split_from_mels_collates_to_nearly_the_same() -> None:
    real = MEL.collate([CHIRP, CHIRP[2000:5000]])
    waves = MEL.split(real)
    assert [len(wave) for wave in waves] == [62 * 128] * 2
    assert MEL.metrics()["log_mel_db"](MEL.collate(waves), real) < 5


@FORMS
def test_no_items_are_split_into_none(audio: Audio) -> None:
    assert audio.split(audio.collate([CHIRP])[:0]) == []


def test_the_loudest_window_is_taken_and_the_earliest_of_equals() -> None:
    # windows of 512 start at multiples of 256; bursts in two colours
    slow = np.sin(2 * np.pi * 125 * np.arange(512) / RATE).astype(np.float32)
    quick = np.sin(2 * np.pi * 500 * np.arange(512) / RATE).astype(np.float32)
    pause = np.zeros(512, np.float32)
    wanted_slow, wanted_quick = RASTER.collate([slow, quick]).values
    clip = np.concatenate([pause, 0.5 * slow, pause, quick, pause])
    assert torch.allclose(RASTER.collate([clip]).values[0], wanted_quick, atol=1e-4)
    level = np.concatenate([pause, slow, pause, 1.001 * quick])  # 0.2 % more energy
    assert torch.allclose(RASTER.collate([level]).values[0], wanted_slow, atol=1e-4)
    first = Audio("raster", RATE, window="first")
    assert torch.allclose(first.collate([clip[512:]]).values[0], wanted_slow, atol=1e-4)
    with pytest.raises(DataError, match=r"item 0 is silent .* or set window to 'loudest'"):
        first.collate([clip])


def test_windows_cover_a_clip_and_leave_silence_out() -> None:
    clip = np.concatenate([CHIRP[3000:4000], np.zeros(2000, np.float32)])
    found = RASTER.windows(clip)
    assert [len(wave) for wave in found] == [512] * 4  # starts 0, 256, 512, 768; silence after
    assert np.array_equal(found[3][:232], clip[768:1000])
    assert len(RASTER.windows(clip, hop=100)) == 10
    assert len(RASTER.windows(clip[:700])) == 2  # the last one padded
    assert len(RASTER.collate(found)) == 4
    for hop in (0, -1, 2.5, True):
        with pytest.raises(SettingError, match="audio: hop must be a whole number >= 1"):
            RASTER.windows(clip, hop)  # type: ignore[arg-type]


@FORMS
def test_every_form_of_an_item_and_any_level(audio: Audio) -> None:
    short = (CHIRP * 32767).astype(np.int16)
    forms = [CHIRP, torch.from_numpy(CHIRP), CHIRP.tolist(), (CHIRP, RATE), short, 0.01 * CHIRP]
    values = audio.collate(forms).values
    for value in values:
        assert torch.allclose(value, values[0], atol=2e-2)


@FORMS
@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ((CHIRP, 16000), r"item 1 is at 16000 Hz, not 8000 Hz; resample it \(Audio.resample\)"),
        (CHIRP[:0], "item 1 is empty"),
        (CHIRP[:100], r"item 1 has 100 samples, fewer than \d+, too few for a window of \d+"),
        (np.zeros(800, np.float32), r"item 1 is silent \(the peak of its window is 0\); leave it"),
        (np.full(800, np.nan, np.float32), "item 1 has samples that are NaN or infinite"),
        (np.full(800, -np.inf, np.float32), "item 1 has samples that are NaN or infinite"),
        (np.ones((2, 800), np.float32), r"item 1 has shape \(2, 800\), not \(t,\); average"),
        (np.ones(800, np.int64), "item 1 is torch.int64; give int16 or floats"),
        ("a.wav", "item 1 is no waveform"),
    ],
)
def test_bad_items_are_named_by_their_place(audio: Audio, bad: Any, says: str) -> None:
    with pytest.raises(DataError, match=f"audio: {says}"):
        audio.collate([CHIRP, bad])


@FORMS
@torch.no_grad()
def test_a_moment_and_a_minute_have_an_answer(audio: Audio) -> None:
    signal = audio.collate([CHIRP[3000:3512], np.resize(CHIRP, 60 * RATE)])
    made = audio.generator(16).eval()(audio.prenet(16).eval()(signal))
    assert made.values.shape == signal.values.shape
    waves = audio.split(made)
    assert [len(wave) for wave in waves] == [len(wave) for wave in audio.split(signal)]
    assert all(bool(wave.isfinite().all()) for wave in waves)


@FORMS
def test_loudness_matters_only_without_normalising(audio: Audio) -> None:
    plain = Audio(audio.form, RATE, normalise=False)
    with pytest.raises(DataError, match=r"item 0 goes beyond \[-1, 1\]; scale it"):
        plain.collate([3 * CHIRP])
    half, whole = plain.collate([CHIRP / 2, CHIRP]).values
    assert (half - whole).abs().max() > 0.05
    with pytest.raises(DataError, match="no items to collate"):
        audio.collate([])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"form": "wave"}, "form must be one of 'mel', 'raster', not 'wave'"),
        ({"sample_rate": 100}, "sample_rate must be a whole number >= 4000 <= 48000, not 100"),
        ({"window": "best"}, "window must be one of 'first', 'loudest'"),
        ({"normalise": "no"}, "normalise must be True or False"),
        ({"seconds": 0}, "seconds must be a number >= 0.1 <= 60"),
        ({"seconds": 0.1, "n_fft": 8192}, r"0\.1 s are 1600 samples, fewer than n_fft \(8192\)"),
        ({"hop": 500}, r"n_fft \(1024\) must be even and a multiple of hop \(500\)"),
        ({"mels": 400}, "mels must be a whole number >= 8 <= 128, not 400"),
        ({"samples": 8}, "samples must be a whole number >= 16 <= 16384, not 8"),
        ({"samples": 64}, "points must be a whole number >= 16 <= 64, not 128"),
        ({"bins": 8}, "bins must be a whole number >= 16 <= 256, not 8"),
        ({"spread": 5}, "spread must be a number >= 0.5 <= 4, not 5"),
        ({"augmentation": 9}, "augmentation must be"),
        ({"std": 0}, "std must be"),
    ],
)
def test_wrong_settings_fail_at_construction(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=f"audio: {says}"):
        Audio(**wrong)


def test_settings_make_its_twin() -> None:
    for audio in (Audio(), Audio("raster", samples=1024, bins=32, spread=0.7)):
        assert repr(Audio(**audio.settings())) == repr(audio)
    assert Audio().size == (80, 63)
    assert Audio("raster").size == (64, 128)


@FORMS
def test_augment_is_a_function_of_its_generator(audio: Audio) -> None:
    signal = audio.collate([CHIRP, CHIRP[1000:5000]])
    first = audio.augment(signal, torch.Generator().manual_seed(3))
    with torch.autocast("cpu", torch.bfloat16):
        again = audio.augment(signal, torch.Generator().manual_seed(3))
    assert torch.equal(first.values, again.values)
    other = audio.augment(signal, torch.Generator().manual_seed(4))
    assert not torch.allclose(first.values, other.values, atol=1e-2)
    assert Audio(audio.form, RATE, augmentation=0).augment(signal, torch.Generator()) is signal
    half = Signal(signal.values.bfloat16())
    assert audio.augment(half, torch.Generator().manual_seed(3)).values.dtype == torch.bfloat16


def test_augmented_mels_are_those_of_a_later_and_louder_sound() -> None:
    audio = Audio("mel", RATE, normalise=False)
    clip = np.concatenate([np.zeros(1000, np.float32), 0.3 * CHIRP[2000:6000]])
    before = audio.collate([clip, clip]).values
    later = np.concatenate([np.zeros(3 * 128, np.float32), clip])
    wanted = audio.collate([later, clip * 10 ** (-2 / 20)]).values
    moved = audio.drawing.move(before, torch.tensor([3 / 63, 0.0]), torch.tensor([0.0, -2.0]))
    assert (moved - wanted).abs().max() < 2e-3


@FORMS
def test_reconstruction_is_the_normal_likelihood(audio: Audio) -> None:
    h, w = audio.size
    made, real = torch.rand(2, 1, h, w), torch.rand(2, 1, h, w)
    nats = audio.reconstruction(Signal(made), Signal(real))
    constant = h * w * (0.5 * math.log(2 * math.pi) + math.log(audio.std))
    logp = stats.norm(made.numpy(), audio.std).logpdf(real.numpy()).sum((1, 2, 3))
    assert np.allclose(nats.numpy() + constant, -logp, rtol=1e-4)


def test_metrics_against_known_differences() -> None:
    real = RASTER.collate([CHIRP])
    curve = RASTER.drawing.trace(real.values)  # type: ignore[union-attr]
    half = Signal(RASTER.drawing.draw(curve / 2))
    scores = {name: metric(half, real) for name, metric in RASTER.metrics().items()}
    assert scores["amplitude"] == pytest.approx(curve.abs().mean().item() / 2, rel=1e-3)
    assert 0.5 < scores["stft"] <= 0.5 + math.log(2)  # the quietest magnitudes are equal
    mel = Signal(torch.rand(2, 1, 40, 63) * 0.5 + 0.4)
    louder = Signal(mel.values + 20 * math.log10(2) / 75)  # twice the amplitudes
    metrics = MEL.metrics()
    assert metrics["log_mel_db"](louder, mel) == pytest.approx(20 * math.log10(2), rel=1e-4)
    assert metrics["spectral_convergence"](louder, mel) == pytest.approx(1, abs=0.01)
    # twice the amplitudes: |A - B| / |B| is 1, and the logarithms are ln 2 apart where loud
    assert 0.9 < metrics["stft"](louder, mel) <= 1.01 + math.log(2)
    for audio, signal in ((RASTER, real), (MEL, mel)):
        assert all(metric(signal, signal) == 0 for metric in audio.metrics().values())


def test_previews_are_heard_and_seen() -> None:
    low = np.sin(2 * np.pi * 200 * T).astype(np.float32)
    low[4000:] = 0
    preview = MEL.preview(low)
    assert preview.picture.shape == (3, 40, 63)
    assert preview.sound is not None
    assert preview.sound.shape == (8000,)
    light = preview.picture.sum(0)
    assert light[30:, :30].mean() > 3 * light[:10, :30].mean()  # low pitch at the bottom
    assert light[30:, :30].mean() > 3 * light[30:, 36:].mean()  # silence to the right
    preview = RASTER.preview(low)
    assert torch.equal(preview.picture, RASTER.collate([low]).values[0].expand(3, -1, -1))
    assert preview.sound is not None
    assert len(preview.sound) >= RATE
    assert preview.sound.diff().abs().max() < 0.25  # no clicks where it turns
    assert RASTER.preview(np.zeros(512, np.float32)).sound is not None


def test_files_come_back_as_they_were(tmp_path: Path) -> None:
    RASTER.write(CHIRP, tmp_path / "a.flac")
    item = RASTER.read(tmp_path / "a.flac")
    assert np.abs(item.numpy() - CHIRP).max() <= 0.5 / 32768 + 1e-7
    assert len(Audio(sample_rate=16000).read(tmp_path / "a.flac")) == 16000
    assert len(RASTER.resample(torch.zeros(16000), 16000)) == 8000
    with pytest.raises(MediaError, match=r"gone\.wav: no such file"):
        RASTER.read(tmp_path / "gone.wav")


@pytest.mark.parametrize("audio", [RASTER, Audio("mel", 4000, seconds=0.1)], ids=repr)
def test_subnets_make_pictures_of_its_size_and_refuse_others(audio: Audio) -> None:
    h, w = audio.size
    signal = Signal(torch.rand(2, 1, h, w))
    with torch.no_grad():
        for pooled in (True, False):
            made = audio.generator(4)(audio.prenet(4, pooled=pooled)(signal))
            assert made.values.shape == (2, 1, h, w)
        assert audio.joint_discriminator(2)(signal, made).shape == (2,)
    for subnet in (audio.prenet(4), audio.discriminator()):
        with pytest.raises(DataError, match=rf"an audio signal is \[b 1 {h} {w}\], not \(2, "):
            subnet(Signal(torch.rand(2, 1, w, h)))


@FORMS
def test_layers_do_what_the_whole_does(audio: Audio) -> None:
    generator, critic = audio.generator(4), audio.discriminator()
    code = Code(torch.randn(2, 1, 4))
    with torch.no_grad():
        x: Any = code
        for layer in generator.layers:  # type: ignore[union-attr]
            x = layer(x)
        made = generator(code)
        assert torch.equal(x.values, made.values)
        for layer in critic.layers:  # type: ignore[union-attr]
            x = layer(x)
        assert torch.allclose(x, critic(made), atol=1e-6)


def test_librosa_is_not_loaded_for_shapes() -> None:
    code = (
        "import sys, torch\n"
        "from transmodal.plugins.audio.modality import Audio\n"
        "a = Audio('raster')\n"
        "a.generator(4)(a.prenet(4, pooled=True)(a.collate([torch.ones(512)])))\n"
        "print([m for m in ('librosa', 'numba', 'soundfile', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
