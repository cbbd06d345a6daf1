"""Convolutional subnets over pictures, shared by modalities whose signals are pictures.

A photograph ``[c h w]`` is one, a spectrogram ``[1 t f]`` another. No layer mixes items of a
batch (there is no BatchNorm), so an item's output does not depend on its company.

Shapes: b batch, c channels, h w size in pixels, d width of a code, n tokens, C features.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .code import Code
from .errors import DataError

SMALLEST = 8  # the innermost map has at most this many positions along an axis
WIDEST = 256  # features of the innermost map at most


def halvings(length: int, smallest: int = 0) -> int:
    """How often an axis is halved, rounding up, to reach ``smallest`` or ``SMALLEST``.

    At least once.
    """
    return max(1, math.ceil(math.log2(length / (smallest or SMALLEST))))


def mean_token(code: Code) -> Tensor:
    """``[b d]``: the mean of the tokens that are real."""
    if code.mask is None:
        return code.tokens.mean(1)
    weight = code.mask[..., None].to(code.tokens.dtype)
    return (code.tokens * weight).sum(1) / weight.sum(1).clamp(min=1)


def check_condition(condition: Code | None, width: int) -> Tensor | None:
    """``[b width]``: the mean token of a condition, None for a subnet that takes none.

    Raises:
        DataError: a condition is missing, is of another width, or was not asked for.
    """
    if condition is None and width == 0:
        return None
    if condition is None:
        raise DataError(f"this subnet was built for a condition of width {width}; none was given")
    if width == 0:
        raise DataError("this subnet was built without a condition, yet one was given")
    if condition.tokens.shape[2] != width:
        raise DataError(f"a condition of width {width} is due, not {condition.tokens.shape[2]}")
    return mean_token(condition)


def he(module: nn.Module, slope: float = 0.0) -> None:
    """He et al. 2015 for every convolution and linear map, since no norm sets the scale."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, slope)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def even(x: Tensor) -> Tensor:
    """ReLU, then each item of ``[b ...]`` divided by the root mean square of its features.

    The one norm used here. It knows nothing of the other items, and it keeps mostly empty
    pictures from driving all features to zero in the first steps (with ReLU alone, an
    autoencoder of small squares on black stays blank at Adam's 2e-3).
    """
    x = F.relu(x)
    axes = tuple(range(1, x.ndim))
    exact = torch.promote_types(x.dtype, torch.float32)
    size: Tensor = torch.linalg.vector_norm(x, dim=axes, keepdim=True, dtype=exact)
    scale = math.sqrt(x[0].numel()) / (size + 1e-3)
    if x.dtype == torch.float16:  # of features near zero it would be infinite, and 0 times it NaN
        scale = scale.clamp(max=torch.finfo(x.dtype).max)
    return x * scale.to(x.dtype)


def squash(logits: Tensor, limit: float = 8.0) -> Tensor:
    """Logits into (0, 1), float32 under any autocast: ``sigmoid(x / (1 + |x| / limit))``.

    Mostly dark pictures drive plain logits so far down in the first steps that the sigmoid's
    gradient underflows and the picture stays blank; here it falls off with the square of x.
    """
    logits = logits.float()
    return torch.sigmoid(logits / (1 + logits.abs() / limit))


class _Clipped(torch.autograd.Function):
    """Numbers within [0, 1]; a slope that leads further out is stopped."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        (x,), (slope,) = ctx.saved_tensors, slopes
        outward = ((x < 0) & (slope > 0)) | ((x > 1) & (slope < 0))
        return slope.masked_fill(outward, 0.0)


def clipped(x: Tensor) -> Tensor:
    """Numbers within [0, 1], float32 under any autocast, from outside of which slopes lead back.

    For pictures that are mostly copied: a sigmoid never reaches white, and hardly lets go of it.
    A plain clamp has no slope outside at all.

    Source: the bounds of Balle et al. 2017 (arXiv 1611.01704), as in their code.
    """
    made: Tensor = _Clipped.apply(x.float())  # type: ignore[no-untyped-call]
    return made


class Plan:
    """The sizes a picture passes through: ``sizes[0]`` the picture, ``sizes[-1]`` the innermost.

    Args:
        channels: of the picture.
        size: (h, w) in pixels.
        halve: how often each axis is halved (rounding up), at the outer stages first.
        base: features after the first stage; they double from stage to stage.

    >>> Plan(1, (28, 28)).sizes
    [(28, 28), (14, 14), (7, 7)]
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        halve: tuple[int, int] | None = None,
        base: int = 32,
    ) -> None:
        across, along = halve or (halvings(size[0]), halvings(size[1]))
        self.strides = [(1 + (i < across), 1 + (i < along)) for i in range(max(across, along))]
        self.sizes = [size]
        for rows, columns in self.strides:
            h, w = self.sizes[-1]
            self.sizes.append((-(-h // rows), -(-w // columns)))
        self.features = [channels] + [min(WIDEST, base << i) for i in range(len(self.strides))]


class Down(nn.Module):
    """``[b c h w]`` -> ``[b d h/rows w/columns]``: a convolution and a (leaky) ReLU."""

    def __init__(self, c: int, d: int, stride: tuple[int, int], slope: float, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, d, kernel, stride, kernel // 2)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x.contiguous(memory_format=torch.channels_last))
        return F.leaky_relu_(x, self.slope) if self.slope else F.relu_(x)

    def extra_repr(self) -> str:
        return f"slope={self.slope}"


class ConvEncoder(nn.Module):
    """A picture ``[b c h w]`` -> its innermost map ``[b C h' w']``.

    A ``Down`` for each stage of the plan; no norm.
    """

    def __init__(self, plan: Plan, slope: float = 0.0, kernel: int = 3) -> None:
        super().__init__()
        self.features = plan.features[-1]
        pairs = zip(plan.features, plan.features[1:], plan.strides, strict=False)
        self.layers = nn.ModuleList(Down(c, d, stride, slope, kernel) for c, d, stride in pairs)
        he(self, slope)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class ConvPrenet(nn.Module):
    """A picture -> tokens ``[b n d]`` in float32.

    Args:
        plan: the sizes, from outside in.
        width: d of the code.
        n: 1 for one token of the whole picture, otherwise the positions, or the rows, of
            the innermost map.
        hidden: width of the layer before the single token.
    """

    def __init__(self, plan: Plan, width: int, n: int = 1, hidden: int = 256) -> None:
        super().__init__()
        self.n = n
        self.encoder = ConvEncoder(plan)
        h, w = plan.sizes[-1]
        flat = self.encoder.features * h * w // n
        self.head: nn.Module
        if n == 1:
            self.head = nn.Sequential(nn.Linear(flat, hidden), nn.ReLU(), nn.Linear(hidden, width))
            nn.init.kaiming_normal_(self.head[0].weight)  # type: ignore[arg-type]
            self.place = None
        else:
            self.head = nn.Linear(flat, width)
            self.place = nn.Parameter(torch.randn(n, width) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x)
        b, c = x.shape[:2]
        x = x.reshape(b, c, self.n, -1).transpose(1, 2).reshape(b, self.n, -1)
        tokens: Tensor = self.head(x).float()
        return tokens if self.place is None else tokens + self.place
