"""A window of sound as its log-mel spectrogram, a picture, and the way back.

Shapes: b batch, n samples of the window, t frames, f mel bins.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...core.modality import Metric
from ...core.signal import Signal
from ...core.sound.mel import DECIBELS, Mel
from ...core.sound.phase import invert
from ...core.sound.picture import spectrogram_picture
from .metrics import stft_distance

HEARD = 16  # items whose waveforms ``stft`` compares; finding phases takes its time


class Spectrum:
    """Waveforms as log-mel pictures, high pitch on top, time to the right.

    Values are ``core.sound.mel.Mel``'s: 0 at silence, one unit is 75 dB.

    Args:
        samples: n of the window, n_fft or more.
        mel: the transform.
    """

    def __init__(self, samples: int, mel: Mel) -> None:
        self.samples, self.mel = samples, mel
        self.size = (mel.mels, 1 + samples // mel.hop)
        self.shortest = mel.n_fft

    def reduce(self, waves: Tensor) -> Tensor:
        """Windows as they are."""
        return waves

    def draw(self, waves: Tensor) -> Tensor:
        """Windows ``[b n]`` -> pictures ``[b 1 f t]``."""
        return self.mel(waves).transpose(1, 2).flip(1)[:, None]

    def frames(self, values: Tensor) -> Tensor:
        """Pictures ``[b 1 f t]`` -> ``[b t f]``, low pitch first."""
        return values[:, 0].float().flip(1).transpose(1, 2)

    def waves(self, values: Tensor) -> Tensor:
        """Pictures ``[b 1 f t]`` -> waveforms ``[b (t - 1) * hop]`` on the CPU (Griffin-Lim)."""
        return invert(self.frames(values), self.mel).cpu()

    def picture(self, wave: Tensor) -> Tensor:
        """One window ``[n]`` as ``[3 f t]``."""
        return spectrogram_picture(self.mel(wave[None])[0])

    def sound(self, wave: Tensor, sample_rate: int) -> Tensor:
        """One window ``[n]`` as it is."""
        return wave

    def move(self, values: Tensor, shift: Tensor, decibels: Tensor) -> Tensor:
        """Pictures ``[b 1 f t]``, each shifted by a share of the window, louder or quieter.

        What comes in from outside is silence.
        """
        t = values.shape[3]
        place = torch.arange(t, device=values.device) - (shift * t).round().long()[:, None]
        inside = ((place >= 0) & (place < t))[:, None, None]
        place = place.clamp(0, t - 1)[:, None, None].expand_as(values)
        power = self.mel.expand(values.gather(3, place))
        return self.mel.compress(power * 10 ** (decibels[:, None, None, None] / 10)) * inside

    def metrics(self) -> Mapping[str, Metric]:
        """``log_mel_db``, ``spectral_convergence``, and ``stft`` of the first items' waveforms."""
        return {
            "log_mel_db": self._distance,
            "spectral_convergence": self._convergence,
            "stft": self._stft,
        }

    def _stft(self, made: Signal, real: Signal) -> float:
        """``stft_distance`` of what both sound like, phases found by the same algorithm."""
        return stft_distance(*(self.waves(x.values[:HEARD]) for x in (made, real)))

    def _distance(self, made: Signal, real: Signal) -> float:
        """Mean absolute difference of a mel bin, in decibels."""
        return (made.values.float() - real.values.float()).abs().mean().item() * DECIBELS

    def _convergence(self, made: Signal, real: Signal) -> float:
        """``|A - B| / |B|`` over mel amplitudes, Frobenius norms, mean over items."""
        a, b = (self.mel.expand(x.values.float()).sqrt().flatten(1) for x in (made, real))
        return float(((a - b).norm(dim=1) / b.norm(dim=1).clamp(min=1e-12)).mean())
