"""Transposed convolutions, quick in bf16 on a CPU too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Phases = list[tuple[int, list[tuple[int, int]]]]  # outputs, (k, first input) of each tap


class TransposedConv(nn.ConvTranspose2d):
    """torch's own, which under bf16 autocast on a CPU is computed by ``by_phases``.

    There torch's took two to three times as long as in float32 with kernels of 3 x 3 and a stride
    of 2. A pixel must see one or two taps along an axis: with more (5 x 5, stride 2) torch's was
    the quicker. So is it with groups or dilation. The weights, their names, and the result up to
    rounding are the same.
    """

    def forward(self, x: Tensor, *rest: Any) -> Tensor:
        plain = self.groups == 1 and set(self.dilation) == {1} and not rest
        slow = x.device.type == "cpu" and max(self.stride) > 1 and plain
        tapped = all(s <= k <= 2 * s for k, s in zip(self.kernel_size, self.stride, strict=True))
        if slow and tapped and torch.is_autocast_enabled("cpu"):
            return by_phases(
                x, self.weight, self.bias, self.stride, self.padding, self.output_padding
            )
        made: Tensor = super().forward(x, *rest)
        return made


def by_phases(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[Any],
    output_padding: Sequence[int] = (0, 0),
) -> Tensor:
    """A transposed convolution as a matrix product for each phase of its output.

    Output pixels o of one phase, o mod stride, see the same taps of the kernel, at neighbouring
    input pixels: ``y[o] = sum over k = o + padding - stride i of x[i] w[k]``, per axis. So the
    products are those of the convolution and none is with an inserted zero.

    Args:
        x: ``[b c h w]``.
        weight: ``[c d k l]``, k and l no smaller than the strides.
        bias: ``[d]`` or None.
        stride, padding, output_padding: by axis.

    Returns:
        ``[b d h' w']``, channels last, h' = (h - 1) stride - 2 padding + k + output_padding.
    """
    b, _, *size = x.shape
    kernel = weight.shape[2:]
    out = [
        (n - 1) * s - 2 * p + k + more
        for n, s, p, k, more in zip(size, stride, padding, kernel, output_padding, strict=True)
    ]
    rows, columns = (_phases(out[a], stride[a], padding[a], kernel[a]) for a in (0, 1))
    (top, bottom), (left, right) = _margins(rows, size[0]), _margins(columns, size[1])
    x = F.pad(x.permute(0, 2, 3, 1), (0, 0, left, right, top, bottom))
    w = weight.permute(2, 3, 1, 0)  # k l d c
    made: Tensor | None = None
    for r, (high, row_taps) in enumerate(rows):
        for s, (wide, column_taps) in enumerate(columns):
            taps = [(k, i + top, m, j + left) for k, i in row_taps for m, j in column_taps]
            seen = [x[:, i : i + high, j : j + wide] for _, i, _, j in taps]
            part = F.linear(
                seen[0] if len(seen) == 1 else torch.cat(seen, 3),
                torch.cat([w[k, m] for k, _, m, _ in taps], 1),
                bias,
            )
            if made is None:
                made = part.new_empty(b, *out, weight.shape[1])
            made[:, r :: stride[0], s :: stride[1]] = part
    assert made is not None
    return made.permute(0, 3, 1, 2)


def _phases(out: int, stride: int, padding: int, kernel: int) -> Phases:
    """For each phase of an axis: how many outputs, and its taps (k, the first output's input)."""
    found = []
    for phase in range(min(stride, out)):
        count = len(range(phase, out, stride))
        taps = [
            (k, (phase + padding - k) // stride)
            for k in range(kernel)
            if (phase + padding - k) % stride == 0
        ]
        found.append((count, taps))
    return found


def _margins(phases: Phases, size: int) -> tuple[int, int]:
    """Zeros that the taps look at before and behind an axis."""
    before = [-first for _, taps in phases for _, first in taps]
    behind = [first + count - size for count, taps in phases for _, first in taps]
    return max(0, *before), max(0, *behind)
