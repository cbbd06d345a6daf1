"""Scores of location-sensitive attention, with their derivatives written out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def located(
    asked: Tensor, before: Tensor, total: Tensor, keys: Tensor, kernel: Tensor, score: Tensor
) -> Tensor:
    """``v . tanh(q + k_j + sum_i K_i [before, total]_(j+i))`` of each token j, ``[b n]``.

    A loop over steps calls it once a step: two convolutions of few features would be slow there,
    so their product K is one matrix that windows of the weights are multiplied by. Gradients can
    be taken once.

    Args:
        asked: q ``[b a]``.
        before, total: weights ``[b n]``.
        keys: k ``[b n a]``, whose type the products are of.
        kernel: K ``[2w a]``, w odd: of w weights before, then of as many of the total.
        score: v ``[a]``.
    """
    made: Tensor = _Located.apply(asked, before, total, keys, kernel, score)  # type: ignore[no-untyped-call]
    return made


class _Located(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        asked: Tensor,
        before: Tensor,
        total: Tensor,
        keys: Tensor,
        kernel: Tensor,
        score: Tensor,
    ) -> Tensor:
        b, n, a = keys.shape
        w = len(kernel) // 2
        weights = torch.stack([before, total], 1).to(keys.dtype)
        windows = F.pad(weights, (w // 2, w // 2)).unfold(2, w, 1)
        windows = windows.transpose(1, 2).reshape(b * n, 2 * w)
        own, kernel, score = kernel.dtype, kernel.to(keys.dtype), score.to(keys.dtype)
        heard = torch.addmm(keys.reshape(b * n, a), windows, kernel).view(b, n, a)
        heard = heard.add_(asked[:, None]).tanh_()
        ctx.save_for_backward(windows, heard, kernel, score)
        ctx.own, ctx.asked, ctx.weights = own, asked.dtype, before.dtype
        return heard @ score

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, ...]:
        windows, heard, kernel, score = ctx.saved_tensors
        b, n, a = heard.shape
        w = len(kernel) // 2
        sloped = torch.ops.aten.tanh_backward(slope[..., None] * score, heard)
        flat = sloped.view(b * n, a)
        back = (flat @ kernel.T).to(ctx.weights).view(b, n, 2 * w).transpose(1, 2)
        back = F.fold(back, (1, n + w - 1), (1, w))[:, :, 0, w // 2 : w // 2 + n]
        return (
            sloped.sum(1).to(ctx.asked),
            back[:, 0],
            back[:, 1],
            sloped,
            (windows.T @ flat).to(ctx.own),
            (slope.flatten() @ heard.view(b * n, a)).to(ctx.own),
        )
