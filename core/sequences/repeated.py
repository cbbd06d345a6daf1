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
        bias: ``[m]``, beside a matrix for all; or None.

    Under autocast the products are of its type, M being cast once.
    """

    def __init__(self, matrix: Tensor, bias: Tensor | None = None) -> None:
        kind = matrix.device.type
        cast = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if cast else matrix.dtype
        bias = None if bias is None else bias.to(dtype)
        self.parts: dict[int, tuple[Tensor, Tensor]] = {}
        self.count = 0
        self.matrix, self.bias = _Gathered.apply(matrix.to(dtype), bias, self)  # type: ignore[no-untyped-call]

    def __call__(self, x: Tensor) -> Tensor:
        """``[b k]`` -> ``[b m]``."""
        self.count += 1
        made: Tensor = _Product.apply(x, self.matrix, self.bias, self, self.count)  # type: ignore[no-untyped-call]
        return made


class _Gathered(torch.autograd.Function):
    """A matrix and its bias, whose gradients are made of the parts that the products left."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, bias: Tensor | None, owner: Repeated) -> Any:
        ctx.parts, ctx.each, ctx.biased = owner.parts, matrix.ndim == 3, bias is not None
        ctx.set_materialize_grads(False)
        return matrix.view_as(matrix), None if bias is None else bias.view_as(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *_: Tensor | None) -> tuple[Tensor | None, Tensor | None, None]:
        xs, slopes = ([part[i] for part in ctx.parts.values()] for i in range(2))
        ctx.parts.clear()
        if not xs:
            return None, None, None
        if ctx.each:
            return torch.bmm(torch.stack(xs, 2), torch.stack(slopes, 1)), None, None
        slope = torch.cat(slopes)
        return torch.cat(xs).T @ slope, slope.sum(0) if ctx.biased else None, None


class _Product(torch.autograd.Function):
    """``x M + bias``; in the way back the others' parts are left with the owner."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, matrix: Tensor, bias: Tensor | None, owner: Repeated, place: int
    ) -> Tensor:
        ctx.parts, ctx.place = owner.parts, place
        x = x.to(matrix.dtype)
        ctx.save_for_backward(x, matrix)
        if matrix.ndim == 3:
            return torch.bmm(x[:, None], matrix)[:, 0]
        return x @ matrix if bias is None else torch.addmm(bias, x, matrix)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, matrix = ctx.saved_tensors
        ctx.parts[ctx.place] = (x, slope)
        if matrix.ndim == 3:
            back = torch.bmm(slope[:, None], matrix.transpose(1, 2))[:, 0]
        else:
            back = slope @ matrix.T
        return back, None, None, None, None
