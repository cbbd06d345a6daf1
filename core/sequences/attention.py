"""Attention: where in the tokens a decoder looks at each of its steps.

Shapes: b batch, n tokens, d their width, h a decoder's state, a the width of keys.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import SettingError
from .gru import exact
from .located import located
from .repeated import Repeated

# a query [b h], the last step's weights [b n], the sum of those of all steps -> [b n]
Score = Callable[[Tensor, Tensor, Tensor], Tensor]


class Attention(nn.Module, ABC):
    """Weights over tokens, from a query and from where the decoder looked before.

    What depends on the tokens alone is computed once, by ``keys``.
    """

    @abstractmethod
    def keys(self, tokens: Tensor) -> Tensor:
        """``[b n d]`` -> ``[b n a]``."""

    @abstractmethod
    def scores(self, keys: Tensor) -> Score:
        """How well tokens fit a query, as a function ready for many steps."""

    def start(self, mask: Tensor) -> Tensor:
        """The weights ``[b n]`` before the first step: none."""
        return torch.zeros(mask.shape, device=mask.device)

    def at(self, keys: Tensor, mask: Tensor) -> Score:
        """As ``scores``, but weights ``[b n]``: they sum to 1, and are 0 outside the mask."""
        score = self.scores(keys)

        def look(query: Tensor, before: Tensor, total: Tensor) -> Tensor:
            found = exact(score(query, before, total))
            return found.masked_fill(~mask, torch.finfo(found.dtype).min).softmax(-1)

        return look


class Dot(Attention):
    """``q . k / sqrt(a)``: the cheapest.

    Source: Luong et al. 2015 ("general"), scaled as in Vaswani et al. 2017, eq. 1.
    """

    def __init__(self, width: int, hidden: int, size: int = 256) -> None:
        super().__init__()
        self.key = nn.Linear(width, size, bias=False)
        self.query = nn.Linear(hidden, size)

    def keys(self, tokens: Tensor) -> Tensor:
        made: Tensor = self.key(tokens) / math.sqrt(self.key.out_features)
        return made

    def scores(self, keys: Tensor) -> Score:
        # the query's matrix is laid into the keys, so that a step has one product less
        products = Repeated((keys @ self.query.weight).transpose(1, 2))
        shift = exact(keys @ self.query.bias)

        def score(query: Tensor, before: Tensor, total: Tensor) -> Tensor:
            return exact(products(query)) + shift

        return score


class Additive(Attention):
    """``v . tanh(W q + V k + b)``. Source: Bahdanau et al. 2015, appendix A.1.2."""

    def __init__(self, width: int, hidden: int, size: int = 256) -> None:
        super().__init__()
        self.key = nn.Linear(width, size)
        self.query = nn.Linear(hidden, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def keys(self, tokens: Tensor) -> Tensor:
        made: Tensor = self.key(tokens)
        return made

    def scores(self, keys: Tensor) -> Score:
        asked = Repeated(self.query.weight.T)

        def score(query: Tensor, before: Tensor, total: Tensor) -> Tensor:
            made: Tensor = self.score(torch.tanh(keys + asked(query)[:, None]))
            return made[..., 0]

        return score


class LocationSensitive(Additive):
    """Additive attention that also sees where it looked: at the last step, and altogether.

    It begins at the first token. Source: Chorowski et al. 2015, eq. 9; 32 filters of 31 tokens
    over both, as in Tacotron 2 (Shen et al. 2018, section 2.2, and NVIDIA's code).
    """

    def __init__(
        self, width: int, hidden: int, size: int = 128, filters: int = 32, kernel: int = 31
    ) -> None:
        super().__init__(width, hidden, size)
        self.filters = nn.Conv1d(2, filters, kernel, padding="same", bias=False)
        self.place = nn.Linear(filters, size, bias=False)

    def start(self, mask: Tensor) -> Tensor:
        """All the weight on the first token."""
        weights = super().start(mask)
        weights[:, 0] = 1
        return weights

    def scores(self, keys: Tensor) -> Score:
        asked = Repeated(self.query.weight.T)
        # U and F of eq. 9, in full precision: what F makes is seen by U alone
        kernel = self.filters.weight.flatten(1).T.mm(self.place.weight.T)

        def score(query: Tensor, before: Tensor, total: Tensor) -> Tensor:
            return located(asked(query), before, total, keys, kernel, self.score.weight[0])

        return score


KINDS: dict[str, Callable[[int, int], Attention]] = {
    "dot": Dot,
    "additive": Additive,
    "location": LocationSensitive,
}


def attention(kind: str, width: int, hidden: int) -> Attention:
    """The attention of that name over tokens of ``width`` for queries of ``hidden``.

    Raises:
        SettingError: no such kind.
    """
    if kind not in KINDS:
        listed = ", ".join(repr(name) for name in KINDS)
        raise SettingError(f"attention must be one of {listed}, not {kind!r}")
    return KINDS[kind](width, hidden)
