"""How far made sound is from real sound."""

from __future__ import annotations

import torch
from torch import Tensor

LONGEST = 4096  # samples, twice the longest window
QUIET = 1e-3  # magnitudes are compared from here up, for a full scale of 1


def stft_distance(made: Tensor, real: Tensor) -> float:
    """Multi-resolution STFT distance of waveforms ``[b t]``, mean over items; 0 where equal.

    ``mean_r |A - B| / |B| + mean |ln A - ln B|`` over magnitudes A (made) and B (real) of Hann
    windows of 2,048, 1,024 and 512 samples (for short waveforms t / 2, t / 4 and t / 8) with hops
    of a quarter, magnitudes over the window's sum. Source: Yamamoto, Song & Kim 2020, eqs. 4 to 6.
    """
    t = real.shape[1]
    total = torch.zeros((), device=real.device)
    lengths = [max(8, min(t, LONGEST) // share) for share in (2, 4, 8)]
    for length in lengths:
        window = torch.hann_window(length, device=real.device)
        a, b = (
            torch.stft(x.float(), length, max(1, length // 4), window=window, return_complex=True)
            .abs()
            .flatten(1)
            / window.sum()
            for x in (made, real)
        )
        convergence = (a - b).norm(dim=1) / b.norm(dim=1).clamp(min=QUIET)
        logs = (a.clamp(min=QUIET).log() - b.clamp(min=QUIET).log()).abs().mean(1)
        total = total + (convergence + logs).mean()
    return total.item() / len(lengths)
