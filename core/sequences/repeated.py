"""Repeated: many products with one matrix, one after another, whose gradients are taken at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Repeated:
    """Products ``x_i M (+ bias)`` of a loop, each ``x_i`` known only after the one before it.

    In the way back, autograd would form M's gradient at every step and add them up, in
    bfloat16 under autocast: here the steps only leave their parts, and one product makes
    ``sum_i x_i^T y'_i`` of them at the end. Gradients can be taken once, not of gradients.

    Args:
        matrix: M ``[k m]``, for ``x [b k]``; or ``[b k m]``, one for each item.
        bias: ``[m]``, or None.

    Under autocast the products are of its type, M being cast once.
    """

    def __init__(self, matrix: Tensor, bias: Tensor | None = None) -> None:
        kind = matrix.device.type
        cast = torch.is_autocast_enabled(kind)
        self.dtype = torch.get_autocast_dtype(kind) if cast else matrix.dtype
        self.parts: dict[int, tuple[Tensor, Tensor]] = {}
        self.count = 0
        self.matrix: Tensor = _Gathered.apply(matrix.to(self.dtype), self)  # type: ignore[no-untyped-call]
        self.bias = None if bias is None else bias.to(self.dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """``[b k]`` -> ``[b m]``."""
        self.count += 1
        made: Tensor = _Product.apply(x, self.matrix, self, self.count)  # type: ignore[no-untyped-call]
        return made if self.bias is None else made + self.bias


class _Gathered(torch.autograd.Function):
    """A matrix, whose gradient is made of the parts that the products left."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, owner: Repeated) -> Tensor:
        ctx.owner = owner
        ctx.set_materialize_grads(False)
        return matrix.view_as(matrix)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *_: Tensor | None) -> tuple[Tensor | None, None]:
        parts = list(ctx.owner.parts.values())
        ctx.owner.parts.clear()
        if not parts:
            return None, None
        xs, slopes = zip(*parts, strict=True)
        if xs[0].ndim == 2 and slopes[0].ndim == 2 and ctx.owner.matrix.ndim == 3:
            return torch.bmm(torch.stack(xs, 2), torch.stack(slopes, 1)), None
        return torch.cat(xs).T @ torch.cat(slopes), None


class _Product(torch.autograd.Function):
    """``x M``; in the way back M's part is left with the owner."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Tensor, owner: Repeated, place: int) -> Tensor:
        ctx.owner, ctx.place = owner, place
        x = x.to(matrix.dtype)
        ctx.save_for_backward(x, matrix)
        return x @ matrix if matrix.ndim == 2 else torch.bmm(x[:, None], matrix)[:, 0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None, None]:
        x, matrix = ctx.saved_tensors
        ctx.owner.parts[ctx.place] = (x, slope)
        if matrix.ndim == 2:
            return slope @ matrix.T, None, None, None
        return torch.bmm(slope[:, None], matrix.transpose(1, 2))[:, 0], None, None, None
