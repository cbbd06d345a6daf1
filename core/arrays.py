"""Arrays and lists of users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from .errors import DataError

T = TypeVar("T")


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


def listed(items: Sequence[T], what: str) -> Sequence[T]:
    """The items, unless they are a single one: a string would be taken letter by letter.

    Args:
        items: what the user gave.
        what: what they are, for the error ("items of 'spoken'").

    Raises:
        DataError: it is one item alone.
    """
    many = isinstance(items, Iterable) or hasattr(items, "__getitem__")  # as torch's Subset has
    if isinstance(items, str | bytes) or not many:
        raise DataError(f"{what} come in a list: give [item], not one {type(items).__name__} alone")
    return items
