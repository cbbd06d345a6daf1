"""Vectors in files: NumPy's own format, one vector a file, never pickled."""

from __future__ import annotations

import io
from pathlib import Path
from tokenize import TokenError  # what numpy lets pass of a damaged header

import numpy as np
import torch
from torch import Tensor

from ...core.atomic import write_atomically
from ...core.errors import MediaError

MAX_BYTES = 16 << 20
SUFFIX = ".npy"


def read_vector(path: Path) -> Tensor:
    """A file's array as float32, whatever its shape.

    Raises:
        MediaError: no such file, larger than the limit, truncated, or no array of numbers.
    """
    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    if (weight := path.stat().st_size) > MAX_BYTES:
        raise MediaError(f"{path}: {weight:,} bytes, more than the limit of {MAX_BYTES:,}")
    try:
        with path.open("rb") as file:  # np.load would open archives too
            array = np.lib.format.read_array(file, allow_pickle=False)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"its numbers are {array.dtype}")
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    except (OSError, ValueError, TypeError, EOFError, MemoryError, TokenError) as error:
        raise MediaError(f"{path}: not a readable NumPy array of real numbers ({error})") from error


def write_vector(vector: Tensor, path: Path) -> None:
    """Put a vector into a file as float32.

    Raises:
        MediaError: the suffix is another than .npy, or the file cannot be written.
    """
    if path.suffix.lower() != SUFFIX:
        raise MediaError(f"{path}: features are written as {SUFFIX}")
    buffer = io.BytesIO()
    np.save(buffer, vector.numpy(), allow_pickle=False)
    write_atomically(path, buffer.getvalue())
