"""The log-mel transform against librosa and finite differences, and the way back."""

from __future__ import annotations

import math

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transmodal.core.sound.mel import FLOOR, SCALE, Mel
from transmodal.core.sound.phase import griffin_lim, invert, magnitudes
from transmodal.plugins.speech.modality import Speech


def voice(rate: int, seconds: float, seed: int = 0) -> np.ndarray:
    """A gliding voice of 20 harmonics with noise, peak 1."""
    t = np.arange(int(rate * seconds)) / rate
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 1.3 * t)) / rate
    rng = np.random.default_rng(seed)
    wave = sum(np.sin(k * phase) / k for k in range(1, 21) if 160 * k < rate / 2)
    wave = wave * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)) + 0.02 * rng.standard_normal(len(t))
    return (wave / np.abs(wave).max()).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
def test_mel_equals_librosas(rate: int) -> None:
    speech = Speech(rate)
    waves = np.stack([voice(rate, 0.6, seed) for seed in range(3)])
    wanted = librosa.feature.melspectrogram(
        y=waves, sr=rate, n_fft=speech.n_fft, hop_length=speech.hop, n_mels=speech.mels
    ).transpose(0, 2, 1)
    power = speech.mel.power(torch.from_numpy(waves)).numpy()
    assert power.shape == wanted.shape
    assert np.abs(power - wanted).max() <= 1e-5 * wanted.max()
    assert (speech.mel.constants(torch.zeros(1))[1].sum(1) > 0).all()  # no bin is empty


@pytest.mark.filterwarnings("ignore:n_fft=512 is too large")  # librosa's own, for short waves
@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 4000), b=st.integers(1, 3))
def test_any_length_equals_librosas_and_padding_adds_nothing(n: int, b: int) -> None:
    mel = Mel(8000, 512, 128, 40)
    waves = torch.randn(b, n, generator=torch.Generator().manual_seed(n))
    power = mel.power(waves)
    assert power.shape == (b, 1 + n // 128, 40)
    wanted = librosa.feature.melspectrogram(
        y=waves[0].numpy(), sr=8000, n_fft=512, hop_length=128, n_mels=40, pad_mode="constant"
    )
    assert np.abs(power[0].numpy().T - wanted).max() <= 1e-5 * wanted.max()
    longer = mel(torch.nn.functional.pad(waves, (0, 1000)))
    assert torch.allclose(longer[:, : power.shape[1]], mel(waves), atol=1e-5)


def test_the_most_mels_allowed_leave_no_bin_empty() -> None:
    for rate in (4000, 8000, 16000, 22050, 48000):
        for n_fft in (256, 512, 1024, 2048):
            _, bank = Mel(rate, n_fft, n_fft // 4, n_fft // 8).constants(torch.zeros(1))
            assert (bank.sum(1) > 0).all(), (rate, n_fft)


def test_the_transform_has_the_gradient_of_finite_differences() -> None:
    mel = Mel(4000, 64, 16, 8)
    waves = torch.randn(1, 40, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mel, waves, eps=1e-6, atol=1e-5)


def test_units_and_the_way_back_of_the_logarithm() -> None:
    mel = Mel(8000, 512, 128, 40)
    assert torch.equal(mel(torch.zeros(1, 800)), torch.zeros(1, 7, 40))
    power = torch.tensor([0.0, 1e-3, 1.0, 100.0])
    wanted = (torch.log(power + 1e-5) - math.log(1e-5)) / (7.5 * math.log(10))
    assert torch.allclose(mel.compress(power), wanted, atol=1e-6)
    assert torch.allclose(mel.expand(mel.compress(power)), power, rtol=1e-3, atol=1e-8)
    wave = torch.from_numpy(voice(8000, 0.5))[None]
    quieter = mel.power(wave / 10)  # 20 dB down
    assert torch.allclose(mel.power(wave) / quieter, torch.tensor(100.0), rtol=1e-3)
    assert pytest.approx(75 / 10 * math.log(10)) == SCALE
    assert FLOOR == 1e-5


def test_autocast_leaves_the_transform_exact() -> None:
    mel, wave = Mel(8000, 512, 128, 40), torch.from_numpy(voice(8000, 0.3))[None]
    with torch.autocast("cpu", torch.bfloat16):
        inside = mel(wave)
    assert torch.equal(inside, mel(wave))


def convergence(wave: np.ndarray, magnitude: np.ndarray, n_fft: int, hop: int) -> float:
    again = np.abs(librosa.stft(wave, n_fft=n_fft, hop_length=hop))
    n = min(again.shape[1], magnitude.shape[1])
    difference = np.linalg.norm(again[:, :n] - magnitude[:, :n])
    return float(difference / np.linalg.norm(magnitude[:, :n]))


@pytest.mark.parametrize(("n_fft", "hop"), [(512, 128), (512, 256)])
def test_griffin_lim_converges_as_librosas(n_fft: int, hop: int) -> None:
    magnitude = np.abs(librosa.stft(voice(8000, 1.0), n_fft=n_fft, hop_length=hop))
    target = torch.from_numpy(magnitude.T.copy())[None]
    ours, theirs = [], []
    for seed in range(3):
        wave = librosa.griffinlim(
            magnitude, n_iter=60, hop_length=hop, n_fft=n_fft, random_state=seed
        )
        theirs.append(convergence(wave, magnitude, n_fft, hop))
        made = griffin_lim(target, n_fft, hop, 60, seed=seed)
        assert made.shape == (1, len(wave))
        ours.append(convergence(made[0].numpy(), magnitude, n_fft, hop))
    # starting phases differ, and with them a run's end by a tenth or two
    assert np.mean(ours) < 1.2 * np.mean(theirs)


def test_one_step_of_griffin_lim_is_librosas() -> None:
    """From the same phases (zero) the wave agrees sample by sample."""
    magnitude = np.abs(librosa.stft(voice(8000, 0.4), n_fft=256, hop_length=64))
    from transmodal.core.sound import phase

    window = torch.hann_window(256)
    ones = torch.ones(magnitude.T.shape, dtype=torch.complex64)
    wave = torch.zeros(1, (magnitude.shape[1] - 1) * 64 + 256)
    phase.overlap_add(window.square().expand(1, magnitude.shape[1], 256), wave)
    inverse = torch.where(wave > 1e-30, wave, 1.0).reciprocal()
    target = torch.from_numpy(magnitude.T.copy())[None]
    for steps in (1, 5):
        ours = phase._iterate(target, ones, window, inverse, 64, steps, 0.5)
        theirs = librosa.griffinlim(
            magnitude, n_iter=steps, hop_length=64, n_fft=256, momentum=0.5, init=None
        )
        assert np.abs(ours[0].numpy() - theirs).max() < 1e-3 * np.abs(theirs).max()


def test_an_answer_does_not_depend_on_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    from transmodal.core.sound import phase

    magnitude = torch.rand(5, 20, 129)
    whole = griffin_lim(magnitude, 256, 64, 10)
    monkeypatch.setattr(phase, "CHUNK", 2 * 20 * 129)
    monkeypatch.setattr(phase, "BLOCK", 2 * 7 * 129)
    assert torch.allclose(griffin_lim(magnitude, 256, 64, 10), whole, atol=1e-4)
    assert torch.allclose(griffin_lim(magnitude[3:4], 256, 64, 10), whole[3:4], atol=1e-4)
    assert griffin_lim(magnitude[:0], 256, 64).shape == (0, 19 * 64)


def test_magnitudes_fit_the_mels_better_than_the_pseudo_inverse() -> None:
    mel = Mel(8000, 512, 128, 40)
    power = mel.power(torch.from_numpy(voice(8000, 1.0))[None])
    _, bank = mel.constants(power)
    found = magnitudes(power, bank)
    assert (found >= 0).all()
    crude = (power @ torch.linalg.pinv(bank).T).clamp(min=0)
    residual = ((found.square() @ bank.T - power).norm() / power.norm()).item()
    assert residual < 0.5 * ((crude @ bank.T - power).norm() / power.norm()).item()
    nothing = magnitudes(torch.zeros(1, 3, 40), bank)
    assert nothing.isfinite().all()
    assert nothing.max() < 1e-4


def test_silence_comes_back_as_silence() -> None:
    mel = Mel(8000, 512, 128, 40)
    assert invert(torch.zeros(2, 10, 40), mel).abs().max() < 1e-6


@pytest.mark.parametrize("loud", [3.0, 5.0, 1e4])
def test_what_no_sound_reaches_is_made_finite(loud: float) -> None:
    waves = invert(torch.full((1, 10, 40), loud), Mel(8000, 512, 128, 40))
    assert bool(waves.isfinite().all()) and waves.abs().max() > 1
