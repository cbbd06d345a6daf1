"""Each clause of the modality contract fails on a toy that breaks just that."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from transmodal.core.code import Code
from transmodal.core.errors import MediaError, PluginError
from transmodal.core.modality import Preview
from transmodal.core.signal import Signal
from transmodal.registry.contract import check_modality
from transmodal.registry.contract.clauses import Broken, check_alone

from toys import Critic, Decoder, Dots, Encoder, dots

ITEMS = list(dots(4)[0])


class Ragged(Dots):
    """Dots of any length, padded: what the clauses about lengths are tried on."""

    def collate(self, items: Sequence[Any]) -> Signal:
        if not len(items) or not all(isinstance(item, Tensor) for item in items):
            return super().collate(items)  # refuses
        for item in items:
            Dots(size=len(item)).collate([item])
        lengths = torch.tensor([len(item) for item in items])
        values = nn.utils.rnn.pad_sequence(list(items), batch_first=True)
        return Signal(nn.functional.pad(values, (0, 8 - values.shape[1])), lengths)

    def split(self, signal: Signal) -> list[Any]:
        assert signal.lengths is not None
        return [v[:n] for v, n in zip(signal.values, signal.lengths.tolist(), strict=True)]

    def prenet(self, width: int, *, pooled: bool = False) -> nn.Module:
        return Masked(Encoder(8, width, 1 if pooled else 2))

    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        return Decoder(8, width, condition)

    def discriminator(self, *, condition: int = 0) -> nn.Module:
        return Masked(Critic(8, condition))

    def reconstruction(self, made: Signal, real: Signal) -> Tensor:
        return ((made.values - real.values) * real.mask()).float().square().sum(1)


class Masked(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, signal: Signal, *rest: Code) -> Any:
        return self.net(Signal(signal.values * signal.mask(), signal.lengths), *rest)


RAGGED = [dots(1, size)[0][0] for size in (8, 5, 6)]


def broken(**changes: Any) -> Dots:
    """Dots with some methods or attributes replaced."""
    return type("Broken", (Dots,), changes)()


def net(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    return lambda self, *a, **k: make(*a, **k)


class Wrapper(nn.Module):
    def __init__(self, inner: nn.Module, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self.inner, self.change = inner, change

    def forward(self, *inputs: Any) -> Any:
        return self.change(self.inner(*inputs))


def made(change: Callable[[Any], Any], subnet: str = "generator") -> dict[str, Any]:
    """A subnet whose output is changed."""
    return {subnet: lambda self, *a, **k: Wrapper(getattr(Dots, subnet)(self, *a, **k), change)}


class Batchy(Wrapper):
    """Looks at the whole batch, as BatchNorm in training mode does."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__(inner, lambda s: Signal(s.values - s.values.mean(0)))


class Lazy(Decoder):
    def __init__(self, size: int, width: int, condition: int) -> None:
        super().__init__(size, width, condition)
        self.spare = nn.Linear(2, 2)


class Hidden(Decoder):
    """Keeps a weight where state_dict does not find it."""

    def __init__(self, size: int, width: int, condition: int) -> None:
        super().__init__(size, width, condition)
        self.secret = [torch.randn(size)]

    def forward(self, code: Code, style: Code | None = None) -> Signal:
        return Signal(super().forward(code, style).values + self.secret[0])


class Grim(Decoder):
    """Loses its numbers in bf16."""

    def forward(self, code: Code, style: Code | None = None) -> Signal:
        made = super().forward(code, style)
        return Signal(made.values / (0.0 if torch.is_autocast_enabled("cpu") else 1.0))


class MaskBlind(Decoder):
    def forward(self, code: Code, style: Code | None = None) -> Signal:
        return super().forward(Code(code.tokens), style)


class Unmoved(Decoder):
    def forward(self, code: Code, style: Code | None = None) -> Signal:
        return super().forward(code, None if style is None else Code(0 * style.tokens))


SHARED = Decoder(6, 16, 0)
noisy = made(lambda s: Signal(s.values + torch.randn_like(s.values)))
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("facts and settings", "a name of lower-case", {"name": "My Dots"}),
    ("facts and settings", "units", {"units": ""}),
    ("facts and settings", "suffixes such as", {"suffixes": ("json",)}),
    ("facts and settings", "settings JSON can hold", {"settings": lambda s: {"size": {1, 2}}}),
    ("facts and settings", "no setting 'sise'", {"settings": lambda s: {"sise": 6}}),
    (
        "facts and settings",
        "a twin with",
        {"settings": lambda s: {"size": 7 if s.size == 6 else 8}},
    ),
    ("facts and settings", "a repr", {"__repr__": lambda s: "Dots()"}),
    ("collate", "4 items, found 3", {"collate": lambda s, i: Dots.collate(s, i[1:] or i)}),
    ("collate", "finite", {"collate": lambda s, i: Signal(torch.full((len(i), 6), torch.nan))}),
    (
        "collate",
        "lengths from 1",
        {"collate": lambda s, i: Signal(torch.rand(4, 6), torch.zeros(4))},
    ),
    ("collate", "the same values", {"collate": lambda s, i: Signal(torch.rand(len(i), 6))}),
    (
        "collate refuses bad items",
        "no items",
        {"collate": lambda s, i: Signal(torch.ones(len(i), 6))},
    ),
    (
        "collate refuses bad items",
        "DataError from an object",
        {"collate": lambda s, i: Dots.collate(s, i) if len(i) != 1 else i[0].no},
    ),
    (
        "collate refuses bad items",
        "an item of NaN",
        {"collate": lambda s, i: Dots.collate(s, [x if x is i[0] else x.nan_to_num() for x in i])},
    ),
    ("round trip", "4 items, found 3", {"split": lambda s, x: list(x.values[1:])}),
    ("round trip", "relative distance of at most", {"split": lambda s, x: list(x.values / 2)}),
    ("files", "to leave item.json, found no file", {"write": lambda s, i, p: None}),
    ("files", "read back", {"read": lambda s, p: torch.zeros(6)}),
    (
        "files",
        "writing an unknown suffix",
        {"write": lambda s, i, p: p.write_text(str(i.tolist()))},
    ),
    ("preview", "a picture within", {"preview": lambda s, i: Preview(torch.full((3, 1, 1), 2.0))}),
    ("preview", "a picture .3 h w.", {"preview": lambda s, i: Preview(torch.zeros(1, 2, 2))}),
    (
        "preview",
        "sample_rate",
        {"preview": lambda s, i: Preview(torch.zeros(3, 2, 2), torch.zeros(5))},
    ),
    ("augment", "left alone", {"augment": lambda s, x, g: Signal(x.values.mul_(0.9))}),
    ("augment", "values .4, 6.", {"augment": lambda s, x, g: Signal(x.values[:, 1:])}),
    ("augment", "the same result", {"augment": lambda s, x, g: Signal(torch.rand(x.values.shape))}),
    (
        "augment",
        "from the generator alone",
        {"augment": lambda s, x, g: Signal(x.values + 0 * torch.rand(1))},
    ),
    ("augment", "augmented values within", {"augment": lambda s, x, g: Signal(x.values + 1)}),
    (
        "gradients",
        "none at spare.weight",
        {"generator": net(lambda w, condition=0: Lazy(6, w, condition))},
    ),
    ("gradients", "", made(lambda s: Signal(s.values.round()))),
    ("a new module", "12|shared", {"generator": lambda s, w, condition=0: SHARED}),
    ("twice in eval", "the same output", noisy),
    (
        "do not depend on the batch",
        "alone",
        {"generator": lambda s, w, condition=0: Batchy(Decoder(6, w, condition))},
    ),
    ("bf16", "finite", {"generator": net(lambda w, condition=0: Grim(6, w, condition))}),
    ("save and load", "saved", {"generator": net(lambda w, condition=0: Hidden(6, w, condition))}),
    ("shapes", "tokens .4, 1, 16.", {"prenet": net(lambda w, pooled=False: Encoder(6, w, 2))}),
    (
        "shapes",
        "a mask of booleans",
        made(lambda c: Code(c.tokens, torch.ones(c.tokens.shape[:2])), "prenet"),
    ),
    ("shapes", "made values like", made(lambda s: Signal(s.values[:, 1:]))),
    (
        "padding",
        "ignored by generator",
        {"generator": net(lambda w, condition=0: MaskBlind(6, w, condition))},
    ),
    (
        "gradients",
        r"none at its input .4, 1, 4.",
        {"generator": net(lambda w, condition=0: Unmoved(6, w, condition))},
    ),
    (
        "reconstruction",
        "one number an item",
        {"reconstruction": lambda s, m, r: Dots.reconstruction(s, m, r)[:1]},
    ),
    (
        "reconstruction",
        "smaller loss",
        {"reconstruction": lambda s, m, r: -Dots.reconstruction(s, m, r)},
    ),
    ("metrics", "a float from 'mse'", {"metrics": lambda s: {"mse": lambda a, b: torch.ones(1)}}),
]


@pytest.mark.parametrize(
    ("where", "words", "changes"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_a_broken_clause_is_named(where: str, words: str, changes: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=rf"breaks the contract at '[^']*{where}") as caught:
        check_modality(broken(**changes), ITEMS)
    assert re.search(words, str(caught.value)), str(caught.value)


def test_good_modalities_pass_and_leave_torch_randomness_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    check_modality(Dots(), ITEMS)
    check_modality(Ragged(), RAGGED)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("subnet", ["prenet", "discriminator"])
def test_padding_of_signals_must_have_no_influence(subnet: str) -> None:
    def bare(self: Any, *a: Any, **k: Any) -> nn.Module:
        inner = getattr(Ragged, subnet)(self, *a, **k).net
        assert isinstance(inner, nn.Module)
        return inner

    spoilt = type("Spoilt", (Ragged,), {subnet: bare})()
    with pytest.raises(PluginError, match=f"padding ignored by {subnet}"):
        check_modality(spoilt, RAGGED)


def test_lengths_must_come_back() -> None:
    spoilt = type("Spoilt", (Ragged,), {"split": lambda s, x: list(x.values)})()
    with pytest.raises(PluginError, match=r"round trip.*expected lengths \[8, 5, 6\], found"):
        check_modality(spoilt, RAGGED)


def test_files_that_are_not_there_or_truncated_are_media_errors() -> None:
    def read(self: Dots, path: Path) -> Any:
        if not path.exists():
            raise MediaError(f"{path} is missing")
        try:
            return Dots.read(self, path)
        except MediaError:
            return torch.zeros(6)

    with pytest.raises(PluginError, match="a MediaError from reading a truncated file, found"):
        check_modality(broken(read=read), ITEMS)
    with pytest.raises(PluginError, match="MediaError from reading a missing file, found FileNot"):
        check_modality(
            broken(read=lambda s, p: torch.tensor(eval(p.read_text()), dtype=torch.float32)), ITEMS
        )


def test_two_items_are_needed() -> None:
    with pytest.raises(PluginError, match="needs two items or more"):
        check_modality(Dots(), ITEMS[:1])


def test_an_item_alone_may_lack_what_pads_it_in_company() -> None:
    company, alone = torch.tensor([[[1.0], [2.0], [0.0]]]), torch.tensor([[[1.0], [2.0]]])
    check_alone(company, alone, "an item")
    company[0, 2] = 3
    with pytest.raises(Broken, match="expected an item, padded with zeros, found padding that"):
        check_alone(company, alone, "an item")
    with pytest.raises(Broken, match="expected an item, found a difference of 1"):
        check_alone(alone, alone + 1, "an item")
