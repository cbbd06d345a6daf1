"""How far made speech is from real speech, and its pitch."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...core.signal import Signal
from ...core.sound.mel import DECIBELS, Mel


def _both(made: Signal, real: Signal) -> tuple[Tensor, Tensor, Tensor]:
    """Values of both, silent (0) past an item's end, and the frames ``[b t]`` real in either.

    So a frame that only one of them has is held against silence, as ``sequence_loss`` does.
    """
    t = max(made.values.shape[1], real.values.shape[1])
    values, masks = [], []
    for signal in (made, real):
        mask, past = signal.mask(), t - signal.values.shape[1]
        values.append(F.pad(signal.values.float() * mask[..., None], (0, 0, 0, past)))
        masks.append(F.pad(mask, (0, past)))
    return values[0], values[1], masks[0] | masks[1]


def log_mel_distance(made: Signal, real: Signal) -> float:
    """Mean absolute difference of a mel bin, in decibels."""
    a, b, mask = _both(made, real)
    return ((a - b).abs()[mask].mean() * DECIBELS).item()


def mel_cepstral_distance(made: Signal, real: Signal, order: int = 13) -> float:
    """``10 / ln 10 * sqrt(2 sum_d (c_d - c'_d)^2)``, d = 1..order, mean over frames, decibels.

    Cepstra are the orthonormal DCT-II of log *amplitudes*, frames compared without warping.
    Source: Kubichek 1993.
    """
    a, b, mask = _both(made, real)
    f = a.shape[2]
    place = torch.arange(f, device=a.device) + 0.5
    waves = torch.arange(1, min(order, f - 1) + 1, device=a.device)
    basis = torch.cos(math.pi / f * place[:, None] * waves) * math.sqrt(2 / f)
    # a unit of the values is DECIBELS; in nepers of amplitude that is DECIBELS ln 10 / 20
    cepstra = (a - b) @ basis * (DECIBELS * math.log(10) / 20)
    distance: Tensor = (2 * cepstra.square().sum(-1)).sqrt() * (10 / math.log(10))
    return float(distance[mask].mean())


def spectral_convergence(mel: Mel, made: Signal, real: Signal) -> float:
    """``|A - B| / |B|`` over mel amplitudes, Frobenius norms, mean over items."""
    a, b, mask = _both(made, real)
    a, b = (mel.expand(x).sqrt() * mask[..., None] for x in (a, b))
    norms = b.flatten(1).norm(dim=1).clamp(min=1e-12)
    return float(((a - b).flatten(1).norm(dim=1) / norms).mean())


def pitch(
    wave: Tensor, sample_rate: int, low: float = 60.0, high: float = 500.0
) -> tuple[Tensor, Tensor]:
    """Fundamental frequency ``[t]`` in hertz, and where there is voice ``[t]`` (librosa's pyin).

    Frames are 64 ms long or more, a quarter apart; the frequency is 0 where there is no voice.
    """
    import librosa

    length = 2 ** math.ceil(math.log2(0.064 * sample_rate))
    hertz, voiced, _ = librosa.pyin(
        wave.detach().float().cpu().numpy(),
        fmin=low,
        fmax=min(high, sample_rate / 4),
        sr=sample_rate,
        frame_length=length,
    )
    return torch.from_numpy(np.nan_to_num(hertz)).float(), torch.from_numpy(voiced)
