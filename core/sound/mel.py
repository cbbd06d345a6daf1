"""Waveform -> log-mel in torch: batched, differentiable, on the device of its input.

Shapes: b batch, t frames, f mel bins, k = n_fft / 2 + 1 frequencies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..config import check_number
from ..errors import SettingError

FLOOR = 1e-5  # power added to every mel bin, for a window of 512
DECIBELS = 75.0  # what one unit of the normalised scale stands for
SCALE = DECIBELS * math.log(10) / 10  # the same in nepers of power
LOW = math.log(FLOOR)


def mel_settings(
    owner: str, sample_rate: int, n_fft: int | None, hop: int | None, mels: int | None
) -> tuple[int, int, int]:
    """n_fft, hop and mels, what is None chosen for the sample rate.

    By default n_fft is the power of two from 40 ms up, hop a quarter of n_fft, and there are
    40 mels up to 8 kHz, 80 above (n_fft / 8 at most).

    Raises:
        SettingError: naming the owner; one of the wrong type or out of its range.
    """
    if n_fft is None:
        n_fft = 2 ** math.ceil(math.log2(0.04 * sample_rate))
    check_number(owner, "n_fft", n_fft, 64, 8192, integer=True)
    hop = n_fft // 4 if hop is None else hop
    check_number(owner, "hop", hop, 1, n_fft // 2, integer=True)
    if n_fft % 2 or n_fft % hop:
        raise SettingError(f"{owner}: n_fft ({n_fft}) must be even and a multiple of hop ({hop})")
    if mels is None:
        mels = min(40 if sample_rate <= 8000 else 80, n_fft // 8)
    check_number(owner, "mels", mels, 8, n_fft // 8, integer=True)
    return n_fft, hop, mels


class Mel:
    """Log-mel spectrograms of one kind, equal to librosa's within float32.

    ``power = librosa.feature.melspectrogram`` (Slaney's mels and area norm, Hann window,
    centred frames over zero padding) and from it ``x = (ln(power * g + 1e-5) - ln 1e-5) /
    (7.5 ln 10)``, ``g = (512 / n_fft)^2``. So x is 0 at silence, exactly, one unit is 75 dB,
    and speech with its peak at 1 reaches about 1.0.

    Args:
        sample_rate: in hertz.
        n_fft: window and transform, in samples.
        hop: samples between frames; divides n_fft.
        mels: number of bins f.
    """

    def __init__(self, sample_rate: int, n_fft: int, hop: int, mels: int) -> None:
        self.sample_rate, self.n_fft, self.hop, self.mels = sample_rate, n_fft, hop, mels
        self.gain = (512 / n_fft) ** 2
        self._constants: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def constants(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Window ``[n_fft]`` and filter bank ``[f k]`` on the device and in the type of ``like``.

        The bank comes from librosa, which is loaded at the first call.
        """
        key = (like.device, like.dtype)
        if key not in self._constants:
            import librosa

            bank = librosa.filters.mel(
                sr=self.sample_rate, n_fft=self.n_fft, n_mels=self.mels, dtype="float64"
            )
            window = torch.hann_window(self.n_fft, dtype=torch.float64)
            self._constants[key] = (
                window.to(like.device, like.dtype),
                torch.from_numpy(bank).to(like.device, like.dtype),
            )
        return self._constants[key]

    def power(self, waves: Tensor) -> Tensor:
        """Waveforms ``[b samples]`` -> mel power ``[b t f]``, ``t = 1 + samples // hop``."""
        window, bank = self.constants(waves)
        frames = F.pad(waves, (self.n_fft // 2,) * 2).unfold(-1, self.n_fft, self.hop)
        spectrum = torch.view_as_real(torch.fft.rfft(frames * window))
        return spectrum.square().sum(-1) @ bank.T

    def __call__(self, waves: Tensor) -> Tensor:
        """Waveforms ``[b samples]`` -> normalised log-mel ``[b t f]``, autocast or not."""
        with torch.autocast(waves.device.type, enabled=False):
            return self.compress(self.power(waves))

    def compress(self, power: Tensor) -> Tensor:
        """Mel power -> the normalised logarithm."""
        return (torch.log(power * self.gain + FLOOR) - LOW) / SCALE

    def expand(self, values: Tensor) -> Tensor:
        """The normalised logarithm -> mel power; 0 and below is silence."""
        return (torch.exp(values * SCALE + LOW) - FLOOR).clamp(min=0) / self.gain
