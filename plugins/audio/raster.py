"""A short clip drawn as the curve of its samples, and read back from the drawing.

Shapes: b batch, n samples of the window, t points, h bins of amplitude.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from ...core.modality import Metric
from ...core.signal import Signal
from .metrics import stft_distance

MARGIN = 3.0  # spreads kept free beyond full scale, so that no bump is cut off


class Raster:
    """Waveforms as pictures of ``bins`` amplitudes (+1 on top) by ``points`` instants.

    In the column of an instant stands a Gaussian bump about the sample's amplitude x, which is
    row ``p = m + (1 - x) / 2 * (bins - 1 - 2 m)``, m = 3 spreads: the value of row i is
    ``v_i = exp(-(i - p)^2 / (2 spread^2))``. Read back, p is the mean row under ``v_i^2``
    (squares, so that a faint grey over the whole column does not draw the mean to the middle);
    a black column is an amplitude of 0. What is drawn is read back to 0.001 bins where the
    spread is 1 or more, to 0.2 where it is 0.5.

    Args:
        samples: n of the window.
        points: t that are kept, at most n.
        bins: h of the picture.
        spread: standard deviation of a bump, in bins.
    """

    def __init__(self, samples: int, points: int, bins: int, spread: float) -> None:
        self.samples, self.points, self.bins, self.spread = samples, points, bins, spread
        self.size = (bins, points)
        self.shortest = samples // 2
        self.margin = MARGIN * spread
        self.reach = bins - 1 - 2 * self.margin

    @cached_property
    def basis(self) -> Tensor:
        """``[t n]``: the samples' lowest t cosines (DCT-II), seen at t instants."""
        t, n = self.points, self.samples
        order = torch.arange(t, dtype=torch.float64)[:, None]

        def cosines(length: int) -> Tensor:
            place = (torch.arange(length, dtype=torch.float64) + 0.5) * (math.pi / length)
            waves = torch.cos(order * place) * math.sqrt(2 / length)
            waves[0] /= math.sqrt(2)
            return waves

        return (cosines(t).T @ cosines(n) * math.sqrt(t / n)).float()

    def reduce(self, waves: Tensor) -> Tensor:
        """Windows ``[b n]`` -> ``[b t]``, what is above t / (2 n) of the rate taken out."""
        return waves @ self.basis.T

    def expand(self, points: Tensor) -> Tensor:
        """``[b t]`` -> windows ``[b n]``; ``reduce`` of them is ``points`` again."""
        return points @ self.basis * (self.samples / self.points)

    def draw(self, points: Tensor) -> Tensor:
        """Amplitudes ``[b t]`` in [-1, 1] -> pictures ``[b 1 h t]`` in [0, 1]."""
        rows = self.margin + (1 - points.clamp(-1, 1)) * (self.reach / 2)
        away = torch.arange(self.bins, device=points.device)[:, None] - rows[:, None]
        return torch.exp(away.square() / (-2 * self.spread**2))[:, None]

    def trace(self, values: Tensor) -> Tensor:
        """Pictures ``[b 1 h t]`` -> amplitudes ``[b t]`` in [-1, 1]; differentiable."""
        weight = values[:, 0].float().square()
        away = torch.arange(self.bins, device=values.device) - (self.bins - 1) / 2
        # the small sum keeps a black column in the middle
        mean = (weight * away[:, None]).sum(1) / (weight.sum(1) + 1e-12)
        return (mean * (-2 / self.reach)).clamp(-1, 1)

    def waves(self, values: Tensor) -> Tensor:
        """Pictures ``[b 1 h t]`` -> windows ``[b n]`` on the CPU."""
        return self.expand(self.trace(values).cpu())

    def picture(self, points: Tensor) -> Tensor:
        """One item ``[t]`` as ``[3 h t]``: the drawing, white on black."""
        return self.draw(points[None])[0].expand(3, -1, -1).clone()

    def sound(self, points: Tensor, sample_rate: int) -> Tensor:
        """One item ``[t]`` forth and back again for a second: alone it is a click."""
        wave = self.expand(points[None])[0]
        turns = torch.cat([wave, wave.flip(0)])
        return turns.repeat(math.ceil(sample_rate / len(turns)))

    def move(self, values: Tensor, shift: Tensor, decibels: Tensor) -> Tensor:
        """Pictures ``[b 1 h t]``, each shifted by a share of the window, and quieter.

        Pixels move, whatever they show: columns in time, and rows towards the middle, between two
        of them by their nearness, so that what is wrong with a made picture stays to be seen. A
        bump gets narrower as it gets quieter. Only quieter, for the curve may fill the picture
        as it is. What comes in from outside is the mirror image in time, and black in amplitude.
        """
        t = self.points
        place = torch.arange(t, device=values.device) - (shift * t).round().long()[:, None]
        place = torch.where(place < 0, -1 - place, place)
        place = torch.where(place >= t, 2 * t - 1 - place, place)
        later = values.gather(3, place[:, None, None].expand_as(values))
        gain = 10 ** (-decibels.abs() / 20)
        rows, middle = torch.arange(self.bins, device=values.device), (self.bins - 1) / 2
        source = (rows - middle) / gain[:, None] + middle
        nearness = (1 - (source[:, :, None] - rows).abs()).clamp(min=0)  # [b h h]
        return nearness[:, None] @ later

    def metrics(self) -> Mapping[str, Metric]:
        """``stft`` and ``amplitude``, the mean absolute error of a point."""
        return {"stft": self._stft, "amplitude": self._amplitude}

    def _stft(self, made: Signal, real: Signal) -> float:
        return stft_distance(self.trace(made.values), self.trace(real.values))

    def _amplitude(self, made: Signal, real: Signal) -> float:
        return (self.trace(made.values) - self.trace(real.values)).abs().mean().item()
