"""Modality: a kind of data and all that is known about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .config import Configurable
from .errors import UnsupportedError
from .signal import Signal

Metric = Callable[[Signal, Signal], float]


@dataclass(frozen=True)
class Preview:
    """How an item looks, and sounds, in a report.

    Args:
        picture: ``[3 h w]`` in [0, 1].
        sound: ``[t]`` amplitudes in [-1, 1], for modalities one listens to.
        sample_rate: of ``sound``, in hertz.
    """

    picture: Tensor
    sound: Tensor | None = None
    sample_rate: int | None = None


class Modality(Configurable, ABC):
    """A kind of data: how it is read, batched, shown, and which subnets fit it.

    Facts about the data live here and nowhere else, so that a bridge never asks which
    modality it has before it. One class a plugin; settings are keyword arguments.

    An *item* is one datum as users hold it (a picture ``[c h w]``, a waveform ``[t]``);
    a *signal* is a batch as networks read it (the same pictures, log-mel spectrograms).
    """

    name: ClassVar[str]
    units: ClassVar[str]  # what an item's numbers mean, for cards and errors
    suffixes: ClassVar[tuple[str, ...]]  # files it reads; the first is what it writes
    writing: ClassVar[tuple[str, ...]] = ()  # settings of how items are made; codes depend on none

    @property
    def vector(self) -> int:
        """Numbers of an item that is one vector already, 0 for any other kind of data.

        The prenet and the generator of that width then only scale: a bridge may read such
        items as the representation itself.
        """
        return 0

    @classmethod
    def learner(cls, settings: Mapping[str, Any]) -> Callable[[Iterable[Any]], Modality] | None:
        """What makes it of training items (or of their paths), as texts' pieces are learned.

        None where these settings leave nothing to be learned: the constructor makes it then.

        Raises:
            SettingError: one of them is wrong, as far as can be told before.
        """
        return None

    # -- data ---------------------------------------------------------------
    @abstractmethod
    def read(self, path: Path) -> Any:
        """The item in a file.

        Raises:
            MediaError: missing, unreadable, truncated, over the limits; names the file.
        """

    @abstractmethod
    def write(self, item: Any, path: Path) -> None:
        """Put an item into a file.

        Raises:
            MediaError: the file cannot be written, or its suffix is not of this modality.
        """

    @abstractmethod
    def collate(self, items: Sequence[Any]) -> Signal:
        """Items (tensors, arrays) as one batch on the CPU.

        Raises:
            DataError: wrong size, rate or type, non-finite values; says which item
                (by its position, counted from 0) and what to do.
        """

    @abstractmethod
    def split(self, signal: Signal) -> list[Any]:
        """The items of a batch: the way back from ``collate``."""

    @abstractmethod
    def preview(self, item: Any) -> Preview:
        """How an item looks (and sounds) in a report."""

    def load(self, item: Any) -> Any:
        """The item itself, read from its file where a path stands for it."""
        return self.read(item) if isinstance(item, Path) else item

    def augment(self, signal: Signal, generator: torch.Generator) -> Signal:
        """The same items, changed as the world changes them without changing what they are.

        Small warps of a picture, shifts and gains of a sound. The default changes nothing.
        """
        return signal

    # -- subnets ------------------------------------------------------------
    @abstractmethod
    def prenet(self, width: int, *, pooled: bool = False) -> nn.Module:
        """M_in: a module from ``Signal`` to ``Code`` of ``width``.

        Args:
            width: d of the code.
            pooled: one token for the whole item (a latent vector) instead of a sequence.
        """

    @abstractmethod
    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        """M_out: a differentiable module from ``Code`` of ``width`` to ``Signal``.

        Args:
            width: d of the code it reads (any number of tokens).
            condition: width of a second code (a style), given as second argument; 0 for none.
        """

    @abstractmethod
    def discriminator(self, *, condition: int = 0) -> nn.Module:
        """A module from ``Signal`` to logits ``[b]``.

        Args:
            condition: width of a ``Code`` given as second argument; 0 for none.
        """

    def joint_discriminator(self, count: int) -> nn.Module:
        """A module from ``count`` signals, laid upon each other, to logits ``[b]``.

        For bridges that judge domains of one structure together.

        Raises:
            UnsupportedError: this modality's signals cannot be laid upon each other.
        """
        raise UnsupportedError(
            f"the modality {self.name!r} has no discriminator of signals laid upon each other"
        )

    # -- learning -----------------------------------------------------------
    @abstractmethod
    def reconstruction(self, made: Signal, real: Signal) -> Tensor:
        """Negative log-likelihood ``[b]`` in nats, up to a constant, of real under made."""

    def counted(self, real: Signal) -> Tensor:
        """``[b]``: how many numbers ``reconstruction`` sums over, here those that are real."""
        count = torch.full((len(real),), real.values[0].numel(), device=real.values.device)
        if real.lengths is None:
            return count
        return count // real.values.shape[1] * real.lengths

    def metrics(self) -> Mapping[str, Metric]:
        """Named scores of made signals against real ones."""
        return {}
