"""Vectors in eight bits, with proven bounds on what that changes in an inner product.

A block of rows x shares a mean m and a scale s: ``x = m + s c + r``, integers c in [-127, 127].
A query likewise is ``q = t p + e``. So

    q.x = q.m + t s p.c + (q.r + e.(s c)),    |q.r + e.(s c)| <= |q| |r| + |e| |s c|

by Cauchy-Schwarz. p.c is exact in integers; the norms are known when the codes are made. The mean
is taken off because vectors of one domain often lie in a narrow cone: the rest is shorter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 64  # rows of one scale and one bound
WIDEST = 2**17  # p.c stays below 2**31 up to this width
# All quantities of a bound are below 4 and pass through fewer than 10 roundings to float32.
ROUNDING = 40 * 2.0**-24
SLAB = 2**22  # numbers coded at a time


@dataclass(frozen=True)
class Codes:
    """``[n d]`` vectors in eight bits; n is rounded up to whole blocks, g of them.

    Args:
        mean: ``[d]``.
        values: ``[g BLOCK, d]`` int8; the last row is repeated to the end of its block.
        scale: ``[g]``, of the blocks.
        error: ``[g]``, the largest ``|r|`` of a block's rows.
        reach: ``[g]``, the largest ``|s c|`` of a block's rows.
    """

    mean: Tensor
    values: Tensor
    scale: Tensor
    error: Tensor
    reach: Tensor

    @classmethod
    def of(cls, vectors: Tensor) -> Codes:
        """Code unit vectors ``[n d]`` float32, n > 0."""
        n, width = vectors.shape
        blocks = -(-n // BLOCK)
        mean = vectors.mean(0)
        values = torch.empty(blocks * BLOCK, width, dtype=torch.int8)
        scale, error, reach = (torch.empty(blocks) for _ in range(3))
        step = max(1, SLAB // (BLOCK * width))
        for first in range(0, blocks, step):
            rows = torch.arange(first * BLOCK, min(first + step, blocks) * BLOCK).clamp(max=n - 1)
            block = (vectors[rows] - mean).unflatten(0, (-1, BLOCK))  # [g BLOCK d]
            part = slice(first, first + len(block))
            scale[part] = block.abs().amax((1, 2)).clamp(min=1e-30) / 127
            integers = (block / scale[part, None, None]).round()
            values[first * BLOCK : (first + len(block)) * BLOCK] = integers.flatten(0, 1)
            coded = integers * scale[part, None, None]
            error[part] = (block - coded).norm(dim=2).amax(1)
            reach[part] = coded.norm(dim=2).amax(1)
        return cls(mean, values, scale, error, reach)


class Guess:
    """Queries against codes: inner products up to a known error.

    Args:
        queries: ``[b d]`` float32 unit vectors.
        codes: of the rows to compare with.
    """

    def __init__(self, queries: Tensor, codes: Codes) -> None:
        self._codes = codes
        self._centre = queries @ codes.mean  # [b]
        self._scale = queries.abs().amax(1) / 127
        integers = (queries / self._scale[:, None]).round()
        self._error = (queries - integers * self._scale[:, None]).norm(dim=1)
        self._integers = integers.to(torch.int8)
        # Norms of d numbers are summed in float32.
        self._inflate = 1 + queries.shape[1] * 2.0**-23

    def products(self, first: int, last: int) -> Tensor:
        """``[b g BLOCK]`` int32: p.c of the rows of the blocks from first to before last."""
        rows = self._codes.values[first * BLOCK : last * BLOCK]
        if rows.shape[1] == 1:  # _int_mm of torch 2.13 mistakes the strides of a single column
            products: Tensor = self._integers.int() * rows.T.int()
        else:
            products = torch._int_mm(self._integers, rows.T)
        blocks: Tensor = products.unflatten(1, (-1, BLOCK))
        return blocks

    def line(self, first: int, last: int) -> tuple[Tensor, Tensor, Tensor]:
        """Slope ``[b g]``, offset ``[b 1]`` and error ``[b g]``.

        A product p.c stands for the cosine ``slope p.c + offset``, give or take the error.
        """
        part = slice(first, last)
        slope = self._scale[:, None] * self._codes.scale[part]
        error = self._codes.error[part] + self._error[:, None] * self._codes.reach[part]
        # The mean may be longer than what is left of the rows, but not longer than 1.
        return slope, self._centre[:, None], error * self._inflate + self._slop

    @property
    def _slop(self) -> float:
        return ROUNDING + self._integers.shape[1] * 2.0**-24
