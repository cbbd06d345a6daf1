"""Log-mel spectrograms changed as speakers, rooms and microphones change them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ...core.signal import Signal
from ...core.sound.mel import Mel

TEMPO = 0.15  # log ratio of the frame rate
SHIFT = 0.05  # of the window
WARP = 0.08  # log ratio along the mel axis, as another vocal tract does
LIFT = 0.03  # shift along the mel axis, in fractions of it
TILT = 0.4  # nepers of power, standard deviation of each of three slow curves over mel
GAIN = 0.4  # nepers of power, standard deviation
NOISE = 1e-3  # largest noise power of a bin before the logarithm, for a window of 512


def augment(signal: Signal, mel: Mel, strength: float, generator: torch.Generator) -> Signal:
    """Tempo, shift in time, warp and shift along mel, tone, gain and a little steady noise.

    Every item has its own draw; random numbers come from the generator alone. What comes in
    from outside the window is silence; past the (new) lengths the values are silence.

    Args:
        signal: ``[b t f]`` normalised log-mels.
        mel: how they were made.
        strength: 1 for the ranges above, 0 for none.
        generator: on any device.
    """
    values = signal.values.float()
    b, t, f = values.shape
    device = values.device

    def uniform(*shape: int) -> Tensor:
        draw = torch.rand(*shape, generator=generator, device=generator.device)
        return (draw.to(device) * 2 - 1) * strength

    tempo, warp = torch.exp(uniform(b) * TEMPO), torch.exp(uniform(b) * WARP)
    shift, lift = uniform(b) * SHIFT * t, uniform(b) * LIFT * f
    # frame y of the new picture is frame (y - shift) * tempo of the old
    rows = (torch.arange(t, device=device) - shift[:, None]) * tempo[:, None]
    bins = (torch.arange(f, device=device) - lift[:, None]) * warp[:, None]
    y = (2 * rows + 1) / t - 1
    x = ((2 * bins + 1) / f - 1).clamp(1 / f - 1, 1 - 1 / f)
    grid = torch.stack([x[:, None].expand(b, t, f), y[:, :, None].expand(b, t, f)], -1)
    values = F.grid_sample(values[:, None], grid, align_corners=False)[:, 0]

    place = torch.linspace(-1, 1, f, device=device)
    curves = torch.stack([place, torch.cos(math.pi * place), torch.sin(math.pi * place)])
    # sums of three uniforms have the spread of a Normal, and end
    tone = uniform(b, 3, 3).sum(1) @ curves * TILT + uniform(b, 3).sum(1, keepdim=True) * GAIN
    power = mel.expand(values) * torch.exp(tone)[:, None]
    level = (uniform(b, 1, 1).abs() * 3 - 3).exp() * (NOISE * strength / mel.gain)
    grain = -torch.log1p(-torch.rand(b, t, f, generator=generator, device=generator.device))
    values = mel.compress(power + level * grain.to(device))

    if signal.lengths is None:
        return Signal(values.to(signal.values.dtype))
    lengths = (signal.lengths / tempo + shift).round().long().clamp(1, t)
    moved = Signal(values.to(signal.values.dtype), lengths.to(signal.lengths.dtype))
    return Signal(moved.values * moved.mask()[..., None], moved.lengths)
