"""What a bridge over latent spaces asks of a domain's latent model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..modality import Modality
from ..signal import Signal
from ..stage import Stage
from ..table import Column, Memory
from .reader import Reader


class LatentModel(nn.Module, ABC):
    """A generative model of one domain with a latent vector z ~ N(0, I).

    Args:
        modality: of the domain.
        width: dimensions of z.
    """

    steps: int  # of its training

    def __init__(self, modality: Modality, width: int) -> None:
        super().__init__()
        self.modality = modality
        self.width = width

    @abstractmethod
    def posterior(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation ``[b width]`` of z given a signal."""

    @abstractmethod
    def decode(self, z: Tensor) -> Signal:
        """The signal of latent vectors ``[b width]``."""

    @abstractmethod
    def stages(self, domain: str, reader: Reader | None) -> Sequence[Stage]:
        """How it learns from the items of ``domain``.

        Args:
            domain: its name.
            reader: a classifier of the domain's signals, trained in an earlier stage; None
                without labels.
        """

    @abstractmethod
    def latents(self, column: Column, generator: torch.Generator, reader: Reader | None) -> Memory:
        """The data set a bridge learns from: z's of the domain, with labels.

        Args:
            column: the domain's items.
            generator: the only source of chance.
            reader: as for ``stages``.

        Returns:
            values ``[m 2 width]``: mean and standard deviation of each z.
        """
