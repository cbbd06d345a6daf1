"""Many short texts as two tensors, which a file can be mapped to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor


class Texts:
    """``n`` texts, of which none is empty, as UTF-8.

    Args:
        ends: ``[n + 1]`` int64; text i is from ``ends[i]`` to before ``ends[i + 1]``.
        letters: uint8.
    """

    def __init__(self, ends: Tensor, letters: Tensor) -> None:
        self.ends, self.letters = ends, letters

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """Pack texts, one or more; names of files may hold lone surrogates."""
        coded = [text.encode("utf-8", "surrogatepass") for text in texts]
        ends = np.zeros(len(coded) + 1, dtype=np.int64)
        np.cumsum([len(code) for code in coded], out=ends[1:])
        letters = np.frombuffer(b"".join(coded), dtype=np.uint8).copy()
        return cls(torch.from_numpy(ends), torch.from_numpy(letters))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, i: int) -> str:
        first, last = self.ends[i : i + 2].tolist()
        return bytes(self.letters[first:last].numpy()).decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        ends, letters = self.ends.tolist(), self.letters.numpy().tobytes()
        for i in range(len(self)):
            yield letters[ends[i] : ends[i + 1]].decode("utf-8", "surrogatepass")
