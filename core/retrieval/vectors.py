"""Vectors as they come, checked and brought to length 1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import DataError
from .codes import WIDEST

SLAB = 2**22  # numbers in float64 at a time


def check_width(width: int) -> int:
    """The width of an index.

    Raises:
        DataError: it is no whole number, below 1 or above ``WIDEST``.
    """
    if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= WIDEST:
        raise DataError(f"an index holds vectors of 1 to {WIDEST} numbers, not of {width!r}")
    return width


def unit(vectors: Tensor, width: int, name: Callable[[int], str]) -> Tensor:
    """``[n width]`` float32 of length 1, on the processor.

    Args:
        vectors: ``[n width]``, of any floating type.
        width: what their last dimension must be.
        name: what to call row i in an error.

    Raises:
        DataError: another shape or type; a vector that is all zero or not finite, named.
    """
    if not isinstance(vectors, Tensor):
        raise DataError(
            f"this index takes a tensor [n {width}], not a {type(vectors).__name__}; of an array, "
            "give torch.as_tensor(array)"
        )
    if vectors.ndim != 2 or vectors.shape[1] != width or not vectors.is_floating_point():
        raise DataError(
            f"this index takes floating-point vectors [n {width}], not "
            f"{list(vectors.shape)} of {str(vectors.dtype).removeprefix('torch.')}"
        )
    made = torch.empty(vectors.shape, dtype=torch.float32)
    step = max(1, SLAB // width)
    for first in range(0, len(vectors), step):
        part = vectors[first : first + step].detach().to("cpu", torch.float64)
        most = part.abs().amax(1, keepdim=True)
        bad = ~(torch.isfinite(most) & (most > 0))[:, 0]
        if bad.any():
            i = int(bad.nonzero()[0])
            found = "all zero" if most[i] == 0 else "not finite"
            raise DataError(
                f"the vector of {name(first + i)} is {found}, so it has no direction; leave it out"
            )
        part = part / most  # squares of very large and very small numbers
        made[first : first + len(part)] = part / part.norm(dim=1, keepdim=True)
    return made
