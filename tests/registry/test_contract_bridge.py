"""Each clause of the bridge contract fails on a toy that breaks just that."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from transmodal.core.bridge import Bridge
from transmodal.core.code import Code
from transmodal.core.errors import PluginError
from transmodal.core.signal import Signal
from transmodal.core.stage import Draw, Phase, Stage
from transmodal.registry.contract import check_bridge

from toys import Dots, Swap, table

DOMAINS = {"a": Dots(), "b": Dots()}
TABLE = table("a", "b")
UNSEEDED = torch.Generator()


def broken(**changes: Any) -> Swap:
    return type("Broken", (Swap,), changes)()


def phase(objective: Callable[..., Any], learns: Any = None) -> dict[str, Any]:
    """Stages with one phase of that objective."""

    def stages(self: Swap) -> list[Stage]:
        play = Phase("p", [self] if learns is None else learns(self), lambda b: objective(self, b))
        return [Stage("s", 1, [play], [Draw("all", ("a", "b"), 4, "aligned", labelled=True)])]

    return {"stages": stages}


def decoded(change: Callable[[Signal], Signal]) -> dict[str, Any]:
    return {"decode": lambda s, c, d, style=None: change(Swap.decode(s, c, d, style))}


def building(change: Callable[[Swap], None]) -> dict[str, Any]:
    def build(self: Swap) -> None:
        Swap.build(self)
        change(self)

    return {"build": build}


def secret(bridge: Swap) -> None:
    bridge.noise = [torch.randn(6)]  # type: ignore[assignment]


def unseeded(n: int) -> Tensor:
    return torch.randn(n, 1, 4, generator=UNSEEDED)


def spare(bridge: Swap) -> None:
    bridge.spare = nn.Linear(2, 2)


def objective(change: Callable[[Any], Any]) -> dict[str, Any]:
    return phase(lambda s, b: change(Swap.objective(s, b)))


CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("facts and settings", "a name of lower-case", {"name": "Swap!"}),
    ("facts and settings", "needs: Needs, found dict", {"needs": {}}),
    (
        "connect",
        "from the same seed",
        building(lambda s: s.register_buffer("k", torch.tensor(torch.seed() % 997))),
    ),
    ("encode and decode", "a Code from encode", {"encode": lambda s, x, d: s.ends[d](x).tokens}),
    ("encode and decode", "3 codes", {"encode": lambda s, x, d: s.ends[d](x[:2])}),
    ("encode and decode", "a Signal from a->a", decoded(lambda x: x.values)),  # type: ignore[arg-type, return-value]
    ("encode and decode", "3 items from a->a", decoded(lambda x: x[:2])),
    ("encode and decode", "a->a like real", decoded(lambda x: Signal(x.values[:, 1:]))),
    ("encode and decode", "finite", decoded(lambda x: Signal(x.values / 0))),
    (
        "encode and decode",
        "one common space",
        {
            "encode": lambda s, x, d: Code(s.ends[d](x).tokens.repeat(1, 1, 2 if d == "a" else 1)),
            "decode": lambda s, c, d, style=None: s.exits[d](Code(c.tokens[..., :4])),
        },
    ),
    (
        "bf16",
        "finite",
        decoded(lambda x: Signal(x.values / (1 - torch.is_autocast_enabled("cpu")))),
    ),
    ("do not depend on the batch", "alone", decoded(lambda x: Signal(x.values - x.values.mean(0)))),
    ("embed", "vectors", {"embed": lambda s, x, d: s.encode(x, d).tokens}),
    (
        "unknown domains",
        "UnknownNameError from encode, found KeyError",
        {"encode": lambda s, x, d: s.ends[d](x)},
    ),
    (
        "unknown domains",
        "UnknownNameError from decode, found Signal",
        {"decode": lambda s, c, d, style=None: s.exits[d if d in s.exits else "a"](c)},
    ),
    ("sample and style", "a Code from prior", {"prior": lambda s, n: torch.randn(n, 1, 4)}),
    ("sample and style", "2 codes as wide", {"prior": lambda s, n: Code(torch.randn(n, 1, 5))}),
    ("sample and style", "2 codes as wide", {"prior": lambda s, n: Code(torch.randn(1, 1, 4))}),
    ("sample and style", "finite", {"prior": lambda s, n: Code(torch.randn(n, 1, 4) / 0)}),
    ("sample and style", "same draws", {"prior": lambda s, n: Code(unseeded(n))}),
    ("sample and style", "2 samples of each", {"sample": lambda s, n, d: {}}),
    ("sample and style", "no error, found TypeError", {"sample": lambda s, n, d: None + 1}),
    ("sample and style", "no error", {"style": lambda s, x, d: s.no_such}),
    (
        "save and load",
        "of the bridge saved",
        {
            **building(secret),
            "decode": lambda s, c, d, style=None: Signal(Swap.decode(s, c, d).values + s.noise[0]),
        },
    ),
    ("stages", "distinct names", {"stages": lambda s: []}),
    (
        "stages",
        "draws of",
        {
            "stages": lambda s: [
                Stage("s", 1, [Phase("p", [s], s.objective)], [Draw("x", ("c",), 4)])
            ]
        },
    ),
    ("stages", "unclaimed exits.a", phase(Swap.objective, lambda s: [s.ends])),
    ("objectives", "terms from s/p", objective(lambda terms: {})),
    ("objectives", "a scalar s/p", objective(lambda terms: {"x": torch.ones(2)})),
    ("objectives", "finite", objective(lambda terms: {k: v / 0 for k, v in terms.items()})),
    ("objectives", "ends.b.*, exits.a", objective(lambda terms: {"a->b": terms["a->b"]})),
    ("objectives", "none at spare.weight", building(spare)),
    (
        "objectives",
        "s/p under bf16",
        objective(lambda t: {k: v / (1 - torch.is_autocast_enabled("cpu")) for k, v in t.items()}),
    ),
]
CASES += [
    ("encode and decode", "directions, one at least", {"directions": lambda self: []}),
    ("encode and decode", "nowhere", {"directions": lambda self: [("a", "nowhere")]}),
]


@pytest.mark.parametrize(
    ("where", "words", "changes"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_a_broken_clause_is_named(where: str, words: str, changes: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=rf"breaks the contract at [\"'].*{where}") as caught:
        check_bridge(broken(**changes), DOMAINS, TABLE)
    assert re.search(words, str(caught.value)), str(caught.value)


def test_a_good_bridge_passes_and_stays_unconnected() -> None:
    bridge = Swap(width=3)
    check_bridge(bridge, DOMAINS, TABLE)
    assert bridge.domains == {} and not list(bridge.parameters())


def test_a_bridge_without_a_prior_passes() -> None:
    check_bridge(broken(prior=Bridge.prior), DOMAINS, TABLE)
    with pytest.raises(PluginError, match="2 samples of each"):  # it may sample in another way
        check_bridge(broken(prior=Bridge.prior, sample=lambda s, n, d: {}), DOMAINS, TABLE)


def test_prepared_tables_are_drawn_from() -> None:
    seen = []

    def prepare(given: Any, generator: torch.Generator) -> Any:
        seen.append(given)
        return table("a", "b", n=8)

    def stages(self: Swap) -> list[Stage]:
        [stage] = Swap.stages(self)
        return [Stage("s", 1, stage.phases, stage.draws, prepare)]

    check_bridge(broken(stages=stages), DOMAINS, TABLE)
    assert seen == [TABLE]
