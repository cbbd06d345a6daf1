"""The clause about layers fails on a toy that breaks just that."""

from __future__ import annotations

from typing import Any

import pytest
from games import Chain, Chained, Hidden, Out, Verdict, beside
from torch import Tensor, nn

from transmodal.core.errors import PluginError
from transmodal.core.layers import through
from transmodal.registry.contract import check_modality

from toys import dots

ITEMS = list(dots(4)[0])


class Misled(nn.Module):
    """Tells other layers than those it passes."""

    def __init__(self, told: Any, *layers: nn.Module) -> None:
        super().__init__()
        self.inner = nn.ModuleList(layers)
        self.told = told

    @property
    def layers(self) -> Any:
        return self.told(list(self.inner))

    def forward(self, x: Any, style: Any = None) -> Any:
        return through(self.inner, beside(x, style))


class Hook(nn.Module):
    """A layer that calls another's function, and so does not hold its weights."""

    def __init__(self, other: nn.Module) -> None:
        super().__init__()
        self.call = [other]

    def forward(self, x: Any) -> Any:
        return self.call[0](x)


class Square(nn.Module):
    """Features that are no vectors."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, None]


class Unsquare(nn.Module):
    def __init__(self, wide: int) -> None:
        super().__init__()
        self.verdict = Verdict(wide)

    def forward(self, x: Tensor) -> Tensor:
        return self.verdict(x[:, 0])


def generator(told: Any) -> dict[str, Any]:
    def make(self: Chain, width: int, *, condition: int = 0) -> nn.Module:
        return Misled(told, Hidden(width + condition, 16), Hidden(16, 16), Out(16, 6))

    return {"generator": make}


def discriminator(*layers: Any) -> dict[str, Any]:
    def make(self: Chain, *, condition: int = 0) -> nn.Module:
        return Chained(Hidden(6 + condition, 16), *(layer() for layer in layers))

    return {"discriminator": make}


ALIEN = Hidden(16, 16)
CASES = [
    ("generator: layers", "layers: modules, found none", generator(lambda told: [])),
    ("generator: layers", r"found \['int'\]", generator(lambda told: [*told, 3])),
    ("generator: layers", "to make what it makes", generator(lambda told: told[1:])),
    ("generator: layers", "to make what it makes", generator(lambda t: [t[0], ALIEN, t[2]])),
    ("generator: layers", "none with inner.1", generator(lambda t: [t[0], Hook(t[1]), t[2]])),
    (
        "discriminator: layers",
        r"features \[b d\] before its last layer, found \[4, 1, 16\]",
        discriminator(Square, lambda: Unsquare(16)),
    ),
]


@pytest.mark.parametrize(("where", "words", "changes"), CASES, ids=range(len(CASES)))
def test_a_broken_clause_about_layers_is_named(
    where: str, words: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(PluginError, match=f"breaks the contract at '{where}'.*{words}"):
        check_modality(type("Broken", (Chain,), changes)(), ITEMS)


def test_good_layers_pass() -> None:
    check_modality(Chain(), ITEMS)
    check_modality(type("Told", (Chain,), generator(lambda told: told))(), ITEMS)
