"""Code: what prenets make, bridges carry and generators read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import DataError


@dataclass(frozen=True)
class Code:
    """A unified representation: tokens and a mask. A latent vector is ``n = 1``.

    Args:
        tokens: ``[b n d]``.
        mask: ``[b n]`` booleans, True where a token is real; None when all are.
        placed: whether a token stands for the same place of every item (of a picture, of a
            window of sound), so that their number tells nothing of an item. Where it is False,
            tokens follow one another as far as an item goes, and what a batch pads is nothing.

    Raises:
        DataError: ``tokens`` has not three axes, or the mask does not fit them.
    """

    tokens: Tensor
    mask: Tensor | None = None
    placed: bool = False

    def __post_init__(self) -> None:
        if self.tokens.ndim != 3:
            raise DataError(f"a code is tokens [b n d], not shape {tuple(self.tokens.shape)}")
        if self.mask is not None and self.mask.shape != self.tokens.shape[:2]:
            raise DataError(
                f"the mask of tokens {tuple(self.tokens.shape)} is [b n], "
                f"not shape {tuple(self.mask.shape)}"
            )

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @property
    def counts(self) -> Tensor:
        """``[b]``: how many tokens of each item are real."""
        if self.mask is None:
            count = self.tokens.shape[1]
            return torch.full((len(self),), count, device=self.tokens.device)
        return self.mask.sum(1)

    @staticmethod
    def of(vector: Tensor) -> Code:
        """The code of latent vectors ``[b d]``: one token each."""
        return Code(vector[:, None])

    @property
    def vector(self) -> Tensor:
        """``[b d]``, for codes of one token.

        Raises:
            DataError: the code has more tokens than one.
        """
        if self.tokens.shape[1] != 1:
            raise DataError(f"a latent vector was asked of a code of {self.tokens.shape[1]} tokens")
        return self.tokens[:, 0]
