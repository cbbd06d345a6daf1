"""Features: vectors of one width that something else computed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.arrays import to_tensor
from ...core.config import check_number
from ...core.errors import DataError, SettingError
from ...core.modality import Metric, Modality, Preview
from ...core.signal import Signal
from .files import SUFFIX, read_vector, write_vector
from .subnets import (
    FeaturesDiscriminator,
    FeaturesGenerator,
    FeaturesPrenet,
    Scale,
    Unscaled,
)

LEAST_STD = 1e-6  # of a number that hardly varies, in parts of the vectors' mean deviation
BARS, HEIGHT = 256, 64  # of a preview, in pixels


class Features(Modality):
    """Vectors ``[v]`` that something else computed: a frozen network, a bag of words, topics.

    A signal holds them as they are, ``[b v]``. The subnets read and make them standardised,
    by ``mean`` and ``std``; ``Features.of`` takes these from training vectors.

    Args:
        size: numbers of a vector, v.
        mean, std: of each number, or one for all.

    Raises:
        SettingError: a setting is of the wrong type or out of its range.

    >>> Features.of(torch.tensor([[1.0, 5.0], [3.0, 5.5]]))
    Features(size=2, mean=[2.0, 5.25], std=[1.0, 0.25])
    """

    name: ClassVar[str] = "features"
    units: ClassVar[str] = "numbers, in the units of what computed them"
    suffixes: ClassVar[tuple[str, ...]] = (SUFFIX,)

    def __init__(
        self,
        size: int = 128,
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
    ) -> None:
        check_number("features", "size", size, 1, 65_536, integer=True)
        for key, value, low in (("mean", mean, None), ("std", std, 1e-12)):
            # an array of no axis cannot be iterated over, though it says so
            several = isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0
            each: list[Any] = list(value) if several else [value]  # type: ignore[arg-type]
            if len(each) not in (1, size):
                raise SettingError(
                    f"features: {key} is one number or one for each of {size}, not {len(each)}"
                )
            for number in each:
                check_number("features", key, number, low)
        self.size = size
        self.mean = mean if isinstance(mean, int | float) else list(mean)
        self.std = std if isinstance(std, int | float) else list(std)

    @classmethod
    def of(cls, vectors: Any) -> Features:
        """The modality of these training vectors ``[m v]``, standardised by them.

        Raises:
            DataError: not such an array, not real, or not finite in float32.
        """
        x = to_tensor(vectors, "features: no array of vectors")
        if x.is_complex() or x.ndim != 2 or not len(x) or not bool(x.float().isfinite().all()):
            raise DataError(
                f"features: training vectors are a finite array [m v], not {tuple(x.shape)} of "
                f"{x.dtype}"
            )
        x = x.double()
        std = x.std(0, correction=0)
        least = LEAST_STD * float(std.mean())
        std = torch.where(std > max(least, 1e-12), std, torch.ones_like(std))
        return cls(x.shape[1], x.mean(0).tolist(), std.tolist())

    @property
    def vector(self) -> int:
        """An item is a vector already: of this width."""
        return self.size

    # -- data ---------------------------------------------------------------
    def read(self, path: Path) -> Tensor:
        """The vector in a ``.npy`` file, ``[v]``."""
        return read_vector(Path(path))

    def write(self, item: Any, path: Path) -> None:
        write_vector(self.collate([item]).values[0], Path(path))

    def collate(self, items: Sequence[Any]) -> Signal:
        vectors = [self._vector(item, i) for i, item in enumerate(items)]
        if not vectors:
            raise DataError("features: no items to collate; give at least one")
        values = torch.stack(vectors)
        wild = torch.isfinite(values).all(1).logical_not()
        if bool(wild.any()):
            raise DataError(
                f"features: item {int(wild.nonzero()[0])} has numbers that are NaN or infinite; "
                "leave it out, or mend what computed it"
            )
        return Signal(values)

    def _vector(self, item: Any, i: int) -> Tensor:
        vector = to_tensor(item, f"features: item {i} is no array of numbers")
        if vector.shape != (self.size,):
            raise DataError(
                f"features: item {i} has shape {tuple(vector.shape)}, not ({self.size},); set "
                "size to what the data has"
            )
        if vector.is_complex():
            raise DataError(f"features: item {i} is complex; give its parts as real numbers")
        return vector.float()

    def split(self, signal: Signal) -> list[Tensor]:
        """Vectors ``[v]``, float32 on the CPU."""
        return list(signal.values.detach().float().cpu().unbind())

    def preview(self, item: Any) -> Preview:
        """Bars of the standardised numbers, from -3 to 3; of wide vectors, of means of runs."""
        x = self.scale()(self.collate([item])).flatten()
        if len(x) > BARS:
            x = F.adaptive_avg_pool1d(x[None], BARS)[0]
        level = (x.clamp(-3, 3) + 3) / 6 * HEIGHT
        place = torch.arange(HEIGHT).flip(0)[:, None] + 0.5
        low, high = level.clamp(max=HEIGHT / 2), level.clamp(min=HEIGHT / 2)
        ink = ((place >= low) & (place <= high)).float()
        wide = ink.repeat_interleave(max(1, HEIGHT // len(x)), 1)
        return Preview((1 - 0.8 * wide).expand(3, -1, -1).contiguous())

    # -- subnets ------------------------------------------------------------
    def scale(self) -> Scale:
        """The standardisation, as a module."""
        each = (torch.tensor(x).float().expand(self.size).clone() for x in (self.mean, self.std))
        return Scale(*each)

    def prenet(self, width: int, *, pooled: bool = False) -> nn.Module:
        """``Signal`` -> ``Code`` of one token; at width v, the standardised vector itself."""
        return FeaturesPrenet(self.scale(), self.size, width)

    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        """``Code`` -> ``Signal``; at width v, without a condition, ``prenet``'s way back."""
        if width == self.size and not condition:
            return Unscaled(self.scale())
        return FeaturesGenerator(self.scale(), self.size, width, condition)

    def discriminator(self, *, condition: int = 0) -> nn.Module:
        return FeaturesDiscriminator(self.scale(), self.size, condition)

    def joint_discriminator(self, count: int) -> nn.Module:
        return FeaturesDiscriminator(self.scale(), self.size, count=count)

    # -- learning -----------------------------------------------------------
    def reconstruction(self, made: Signal, real: Signal) -> Tensor:
        """``sum ((made - real) / std)^2 / 2``: a Normal of their deviations, ``[b]`` nats."""
        scale = self.scale().to(made.values.device)
        gap = (made.values.float() - real.values.float()) / scale.std
        return gap.square().sum(1) / 2

    def metrics(self) -> Mapping[str, Metric]:
        """``mse`` of a number, and the mean ``cosine`` of the angles between vectors."""
        return {"mse": mse, "cosine": cosine}


def mse(made: Signal, real: Signal) -> float:
    """Mean squared error of a number."""
    return F.mse_loss(made.values.float(), real.values.float()).item()


def cosine(made: Signal, real: Signal) -> float:
    """Mean cosine similarity, in [-1, 1]; NaN never: that of a zero vector is 0."""
    found = F.cosine_similarity(made.values.float(), real.values.float(), dim=1)
    mean = found.mean().item()
    return 0.0 if math.isnan(mean) else mean
