"""Log-mel -> waveform: magnitudes by non-negative least squares, phases by Griffin-Lim.

Shapes: b batch, t frames, f mel bins, k = n_fft / 2 + 1 frequencies, r = n_fft / hop.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .mel import Mel

CHUNK = 1 << 19  # spectral bins of the items worked on together
LOUDEST = 2.0  # of log-mels; waveforms within [-1, 1] reach about 1
BLOCK = 1 << 16  # spectral bins transformed at once: the arrays of a block stay in cache


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
    return torch.sqrt(spectrum)


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
    if b == 0:
        return magnitude.new_zeros(0, (t - 1) * hop)
    phase = torch.rand(t, k, generator=torch.Generator().manual_seed(seed)) * (2 * torch.pi)
    start = torch.polar(torch.ones_like(phase), phase).to(magnitude.device)
    window = torch.hann_window(n_fft, device=magnitude.device)
    envelope = window.new_zeros(1, (t - 1) * hop + n_fft)
    overlap_add(window.square().expand(1, t, n_fft), envelope)
    tiny = torch.finfo(torch.float32).tiny
    # the window over the envelope, so that folding needs no division
    inverse = torch.where(envelope > tiny, envelope, 1.0).reciprocal()
    size = max(1, CHUNK // (t * k))
    chunks = magnitude.float().split(size)
    waves = [_iterate(c, start, window, inverse, hop, steps, momentum) for c in chunks]
    return torch.cat(waves)


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
    b, t, k = magnitude.shape
    share = -momentum / (1 + momentum)
    # blocks of frames and arrays allocated once: memory traffic costs more than arithmetic
    size = max(1, BLOCK // (b * k))
    spans = [slice(i, min(i + size, t)) for i in range(0, t, size)]
    ahead = magnitude.new_empty(b, size, k, dtype=start.dtype)
    frames = magnitude.new_empty(b, size, n_fft)
    squares, square = magnitude.new_empty(b, size, k, 2), magnitude.new_empty(b, size, k)
    previous = [torch.zeros_like(ahead[:, : s.stop - s.start]) for s in spans]
    rebuilt = torch.empty_like(ahead)
    wave = magnitude.new_zeros(b, (t - 1) * hop + n_fft)
    after = torch.zeros_like(wave)
    for step in range(steps + 1):
        for i, span in enumerate(spans):
            n = span.stop - span.start
            a, f, q = ahead[:, :n], frames[:, :n], square[:, :n]
            if step == 0:
                torch.mul(magnitude[:, span], start[span], out=a)
            else:
                now, before = rebuilt[:, :n], previous[i]
                torch.mul(wave.unfold(-1, n_fft, hop)[:, span], window, out=f)
                torch.fft.rfft(f, out=now)
                torch.add(now, before, alpha=share, out=a)
                before.copy_(now)
                pairs = torch.view_as_real(a)
                torch.mul(pairs, pairs, out=squares[:, :n])
                torch.add(squares[:, :n, :, 0], squares[:, :n, :, 1], out=q)
                a.mul_(q.clamp_(min=1e-30).rsqrt_().mul_(magnitude[:, span]))
            torch.fft.irfft(a, n_fft, out=f)
            part = after[:, span.start * hop : (span.stop - 1) * hop + n_fft]
            overlap_add(f.mul_(window), part)
        wave, after = after.mul_(inverse), wave.zero_()
        wave[:, : n_fft // 2] = 0
        wave[:, -(n_fft // 2) :] = 0
    return wave[:, n_fft // 2 : -(n_fft // 2)].clone()


def overlap_add(frames: Tensor, wave: Tensor) -> None:
    """Add frames ``[b t n]``, laid a hop apart, to a wave ``[b (t - 1) * hop + n]``."""
    b, t, n = frames.shape
    hop = (wave.shape[1] - n) // (t - 1) if t > 1 else n
    for i in range(n // hop):
        part = wave[:, i * hop : (i + t) * hop].view(b, t, hop)
        part += frames[:, :, i * hop : (i + 1) * hop]


def invert(values: Tensor, mel: Mel, steps: int = 60) -> Tensor:
    """Normalised log-mel ``[b t f]`` -> waveforms ``[b (t - 1) * hop]``.

    A net may make what no sound reaches; above ``LOUDEST`` its power would be infinite.
    """
    _, bank = mel.constants(values)
    power = mel.expand(values.clamp(max=LOUDEST))
    return griffin_lim(magnitudes(power, bank), mel.n_fft, mel.hop, steps)
