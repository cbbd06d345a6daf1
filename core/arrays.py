"""Arrays of users as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import DataError


def to_tensor(item: Any, what: str) -> Tensor:
    """A tensor, array, nested list or Pillow picture as a tensor on the CPU, without gradient.

    Args:
        item: what the user gave.
        what: what it should have been, for the error ("speech: item 3 is no waveform").

    Raises:
        DataError: it holds no numbers, or rows of different lengths.
    """
    if isinstance(item, Tensor):
        return item.detach().cpu()
    try:
        # torch shares memory with arrays, and refuses read-only and reversed ones
        return torch.from_numpy(np.require(item, requirements=["C", "W"]))
    except (TypeError, ValueError) as error:
        file = f"of a file, give pathlib.Path({item!r})" if isinstance(item, str) else error
        raise DataError(f"{what} ({file})") from error
