"""Fusion: nets that tell whether one item of every domain belong together."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, permutations
from typing import Any

import torch
from torch import Tensor, nn

from ..code import Code
from ..errors import SettingError
from ..modality import Modality
from ..signal import Signal


class Fusion(nn.Module, ABC):
    """A synchronizer's net: tuples of items, one of each domain, -> logits ``[b]``."""

    def forward(self, signals: Mapping[str, Signal]) -> Tensor:
        """Logits ``[b]`` of the tuples (item i of every domain)."""
        return self.compare(self.features(signals))

    @abstractmethod
    def features(self, signals: Mapping[str, Signal]) -> Sequence[Any]:
        """What it knows of each item by itself, one entry a domain."""

    @abstractmethod
    def compare(self, features: Sequence[Any]) -> Tensor:
        """Logits ``[b]`` of the tuples, by their items' features."""

    @abstractmethod
    def both(self, features: Sequence[Any], kinds: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits ``[p b]`` of the tuples, and ``[p b m]`` of m strangers of each.

        Args:
            features: of b items in each domain, item i of every domain being a tuple.
            kinds: integers ``[b]``; a stranger of an item's own kind counts as surely
                asynchronous.
        """


class Product(Fusion):
    """A feature net for each domain; features agree as far as their product says.

    ``logit(x, y) = f(x) . g(y) / sqrt(width) + bias``, the mean over the pairs of domains.
    Every item of a batch meets every stranger at the price of one matrix product, so that the
    synchronizer learns from b (b - 1) asynchronous tuples where the papers' has b. Ours.

    Args:
        domains: name -> Modality.
        width: of each domain's features.
        dropout: of the features, in [0, 1).
    """

    def __init__(self, domains: Mapping[str, Modality], width: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.nets = nn.ModuleDict({d: m.prenet(width, pooled=True) for d, m in domains.items()})
        self.bias = nn.Parameter(torch.tensor(-2.0))  # most tuples are of strangers

    def compare(self, features: Sequence[Tensor]) -> Tensor:
        pairs = combinations(features, 2)
        products = [(x * y).sum(1) / math.sqrt(x.shape[1]) for x, y in pairs]
        return torch.stack(products).mean(0) + self.bias

    def both(
        self, features: Sequence[Tensor], kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        pairs = permutations(features, 2)
        products = [x @ y.T / math.sqrt(x.shape[1]) for x, y in pairs]
        logits = torch.stack([product.float() for product in products]) + self.bias
        strangers = off_diagonal(logits)
        if kinds is not None:
            strangers = apart(strangers, off_diagonal((kinds[:, None] == kinds)[None]))
        return logits.diagonal(dim1=1, dim2=2), strangers

    def features(self, signals: Mapping[str, Signal]) -> list[Tensor]:
        return [self.features_of(d, signals[d]) for d in self.nets]

    def features_of(self, domain: str, signal: Signal) -> Tensor:
        """Features ``[b width]`` of items of one domain."""
        code: Code = self.nets[domain](signal)
        features: Tensor = self.drop(code.vector.float())
        return features


class Features(Fusion):
    """A feature net for each domain, and fully connected layers over all features at once.

    For domains of different structure (SyncGAN Fig. 2a). A stranger to item i of the first
    domain is item i - 1 of the second, i - 2 of the third.

    Args:
        domains: name -> Modality.
        width: of each domain's features.
        dropout: of the features, in [0, 1).
    """

    def __init__(self, domains: Mapping[str, Modality], width: int, dropout: float) -> None:
        super().__init__()
        self.nets = nn.ModuleDict({d: m.prenet(width, pooled=True) for d, m in domains.items()})
        self.head = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(width * len(domains), width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )

    def compare(self, features: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.head(torch.cat(list(features), 1))
        return logits[:, 0].float()

    def both(
        self, features: Sequence[Tensor], kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        strangers = [f.roll(i, 0) for i, f in enumerate(features)]
        return rolled(self.compare(features), self.compare(strangers), len(features), kinds)

    def features(self, signals: Mapping[str, Signal]) -> list[Tensor]:
        codes: dict[str, Code] = {d: net(signals[d]) for d, net in self.nets.items()}
        return [code.vector for code in codes.values()]


class Laid(Fusion):
    """One net over signals laid upon each other, for domains of one structure (SyncGAN Fig. 2b).

    Args:
        domains: name -> Modality, of the same settings.
        width, dropout: not for this one, which has no features of single domains.

    Raises:
        SettingError: the domains' signals differ in structure.
        UnsupportedError: the modality has no such net.
    """

    def __init__(self, domains: Mapping[str, Modality], width: int, dropout: float) -> None:
        super().__init__()
        first, *others = domains.values()
        if any(type(m) is not type(first) or m.settings() != first.settings() for m in others):
            raise SettingError(
                "signals are laid upon each other only where all domains have one modality with "
                f"the same settings, not {', '.join(map(repr, domains.values()))}; "
                "take fusion='features'"
            )
        self.names = tuple(domains)
        self.net = first.joint_discriminator(len(domains))

    def features(self, signals: Mapping[str, Signal]) -> list[Signal]:
        return [signals[d] for d in self.names]

    def compare(self, features: Sequence[Signal]) -> Tensor:
        logits: Tensor = self.net(*features)
        return logits

    def both(
        self, features: Sequence[Signal], kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        here = torch.arange(len(features[0]), device=features[0].values.device)
        strangers = [x[here.roll(i)] for i, x in enumerate(features)]
        pairs = zip(features, strangers, strict=True)
        logits: Tensor = self.net(*[Signal.cat(pair) for pair in pairs])
        yes, no = logits.chunk(2)
        return rolled(yes, no, len(features), kinds)


def off_diagonal(matrix: Tensor) -> Tensor:
    """``[p b b]`` without its diagonals, ``[p b b-1]``, without a look at the device's data."""
    b = matrix.shape[1]
    return matrix.flatten(1)[:, 1:].view(-1, b - 1, b + 1)[:, :, :-1].reshape(-1, b, b - 1)


def apart(strangers: Tensor, alike: Tensor) -> Tensor:
    """Strangers' logits, where they are alike as low as synchrony can never be."""
    return strangers.masked_fill(alike, -1e4)


def rolled(yes: Tensor, no: Tensor, domains: int, kinds: Tensor | None) -> tuple[Tensor, Tensor]:
    """Logits ``[b]`` of tuples, and of one stranger to each, in the form of ``Fusion.both``.

    The stranger has item i of the first domain, i - 1 of the second, and so on.
    """
    if kinds is not None:
        no = apart(no, torch.stack([kinds == kinds.roll(i) for i in range(domains)]).all(0))
    return yes[None], no[None, :, None]


FUSIONS: Mapping[str, Callable[[Mapping[str, Modality], int, float], Fusion]] = {
    "product": Product,
    "features": Features,
    "concatenation": Laid,
}
