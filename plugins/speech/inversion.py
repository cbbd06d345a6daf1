"""Log-mel -> waveform: magnitudes by non-negative least squares, phases by Griffin-Lim.

Shapes: b batch, t frames, f mel bins, k = n_fft / 2 + 1 frequencies, r = n_fft / hop.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .mel import Mel

CHUNK = 1 << 17  # complex numbers worked on at once: three such arrays stay in cache


def magnitudes(power: Tensor, bank: Tensor, steps: int = 30) -> Tensor:
    """Mel power ``[b t f]`` -> spectral magnitude ``[b t k]``.

    Minimises ``|S bank^T - power|^2`` over power spectra S >= 0 by multiplicative updates
    (Lee & Seung 2001, eq. 4), from the clamped pseudo-inverse.
    """
    start = power @ torch.linalg.pinv(bank).T
    # a zero would stay zero under multiplication
    spectrum = start.clamp(min=0) + 1e-3 * power.mean(-1, keepdim=True) + 1e-12
    target = power @ bank
    gram = bank.T @ bank
    for _ in range(steps):
        spectrum = spectrum * target / (spectrum @ gram + 1e-12)
    return spectrum.sqrt()


def griffin_lim(
    magnitude: Tensor,
    n_fft: int,
    hop: int,
    steps: int = 60,
    momentum: float = 0.99,
    seed: int = 0,
) -> Tensor:
    """Waveforms ``[b (t - 1) * hop]`` whose short-time spectra have these magnitudes.

    The fast Griffin-Lim algorithm (Perraudin, Balazs & Sondergaard 2013, alg. 2) for a Hann
    window and centred frames: ``librosa.griffinlim`` of the same arguments, but with
    frames folded by slices, one normaliser for all steps, and no complex arithmetic. Every
    item starts from the same random phases, so its answer does not depend on the batch.

    Args:
        magnitude: ``[b t k]``.
        n_fft: window and transform, in samples; a multiple of ``hop``.
        hop: samples between frames.
        steps: iterations.
        momentum: 0 is the algorithm of 1984; above 1 it may diverge.
        seed: of the starting phases.
    """
    b, t, k = magnitude.shape
    phase = torch.rand(t, k, generator=torch.Generator().manual_seed(seed)) * (2 * torch.pi)
    start = torch.polar(torch.ones_like(phase), phase).to(magnitude.device)
    window = torch.hann_window(n_fft, device=magnitude.device)
    envelope = overlap_add(window.square().expand(1, t, n_fft), hop)
    tiny = torch.finfo(torch.float32).tiny
    # the window over the envelope, so that folding needs no division
    inverse = torch.where(envelope > tiny, envelope, 1.0).reciprocal()
    size = max(1, CHUNK // (t * k))
    chunks = magnitude.float().split(size)
    waves = [_iterate(c, start, window, inverse, hop, steps, momentum) for c in chunks]
    return torch.cat(waves) if waves else magnitude.new_zeros(0, (t - 1) * hop)


def _iterate(
    magnitude: Tensor,
    start: Tensor,
    window: Tensor,
    inverse: Tensor,
    hop: int,
    steps: int,
    momentum: float,
) -> Tensor:
    n_fft = len(window)
    edge = n_fft // 2
    # every array of the loop is allocated once: fresh ones cost more than the arithmetic
    spectrum = magnitude * start
    rebuilt, previous = torch.empty_like(spectrum), torch.zeros_like(spectrum)
    ahead, square = torch.empty_like(spectrum), torch.empty_like(magnitude)
    squares = torch.empty_like(torch.view_as_real(spectrum))
    frames = magnitude.new_empty(*magnitude.shape[:2], n_fft)
    wave = overlap_add(frames, hop)
    for step in range(steps + 1):
        torch.fft.irfft(spectrum, n_fft, out=frames)
        overlap_add(frames.mul_(window), hop, wave).mul_(inverse)
        wave[:, :edge] = 0
        wave[:, -edge:] = 0
        if step == steps:
            break
        torch.mul(wave.unfold(-1, n_fft, hop), window, out=frames)
        torch.fft.rfft(frames, out=rebuilt)
        torch.add(rebuilt, previous, alpha=-momentum / (1 + momentum), out=ahead)
        real = torch.view_as_real(ahead)
        torch.mul(real, real, out=squares)
        torch.add(squares[..., 0], squares[..., 1], out=square)
        torch.mul(ahead, square.clamp_(min=1e-30).rsqrt_().mul_(magnitude), out=spectrum)
        rebuilt, previous = previous, rebuilt
    return wave[:, edge:-edge].clone()


def overlap_add(frames: Tensor, hop: int, out: Tensor | None = None) -> Tensor:
    """Frames ``[b t n]`` laid ``hop`` apart and summed: ``[b (t - 1) * hop + n]``."""
    b, t, n = frames.shape
    wave = frames.new_zeros(b, (t - 1) * hop + n) if out is None else out.zero_()
    blocks = wave.view(b, -1, hop)
    for i in range(n // hop):
        blocks[:, i : i + t] += frames[:, :, i * hop : (i + 1) * hop]
    return wave


def invert(values: Tensor, mel: Mel, steps: int = 60) -> Tensor:
    """Normalised log-mel ``[b t f]`` -> waveforms ``[b (t - 1) * hop]``."""
    _, bank = mel.constants(values)
    return griffin_lim(magnitudes(mel.expand(values), bank), mel.n_fft, mel.hop, steps)
