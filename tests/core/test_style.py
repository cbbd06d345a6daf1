"""Styles through the translator: references, draws and weights, and every wrong way to ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Subset

from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.code import Code
from transmodal.core.errors import DataError, SettingError, TransmodalError, UnsupportedError
from transmodal.core.sequences.taught import Taught
from transmodal.core.signal import Signal
from transmodal.core.translator import Translator
from transmodal.plugins.text.modality import Text

from toys import Dots, Swap, dots, pooled

ITEMS = list(dots(4, seed=5)[0])
OTHERS = list(dots(4, seed=6)[0])


def connected(**changes: Any) -> Translator:
    bridge = UniversalAttention(width=8, latent=4, style_width=8, **changes)
    translator = Translator({"a": Dots(), "b": Dots()}, bridge)
    translator.connect(("0", "1"))
    return translator


@pytest.fixture(scope="module")
def styled() -> Translator:
    return connected()


@torch.no_grad()
def by_hand(translator: Translator, items: list[Any], style: Code | None) -> list[Any]:
    signal = translator.domains["a"].collate(items)
    code = translator.bridge.encode(signal, "a")
    made = translator.bridge.decode(code, "b", style)
    return translator.domains["b"].split(made)


def equal(some: list[Any], others: list[Any]) -> bool:
    return bool(torch.allclose(torch.stack(some), torch.stack(others), atol=1e-6))


def test_what_is_made_is_made_in_the_style_of_a_reference(
    styled: Translator, tmp_path: Path
) -> None:
    mean = styled.translate(ITEMS, "a", "b")
    assert equal(mean, by_hand(styled, ITEMS, None))
    one = styled.translate(ITEMS, "a", "b", style=styled.style(OTHERS[:1], "b"))
    with torch.no_grad():
        read = styled.bridge.style(Signal(torch.stack(OTHERS)), "b")
    assert equal(one, by_hand(styled, ITEMS, Code(read.tokens[:1])))
    each = styled.translate(ITEMS, "a", "b", style=styled.style(OTHERS, "b"))
    assert equal(each, by_hand(styled, ITEMS, read))
    assert torch.allclose(each[0], one[0], atol=1e-6)
    for others in (mean, each):
        assert all(
            not torch.allclose(x, y, atol=1e-4) for x, y in zip(one[1:], others[1:], strict=True)
        )
    Dots().write(OTHERS[0], tmp_path / "reference.json")
    again = styled.style([tmp_path / "reference.json"], "b")
    assert torch.allclose(again.tokens, read.tokens[:1], atol=1e-6)


@pytest.mark.parametrize("way", ["translate", "translate_signal"])
def test_styles_stay_with_their_items_over_several_batches(styled: Translator, way: str) -> None:
    items, references = (list(dots(600, seed=seed)[0]) for seed in (7, 8))
    style = styled.style(references, "b")
    assert len(style) == 600

    def translated(some: list[Any], style: Code) -> list[Any]:
        if way == "translate":
            return styled.translate(some, "a", "b", style=style)
        return list(styled.translate_signal(Dots().collate(some), "a", "b", style=style).values)

    made = translated(items, style)
    assert equal(made, by_hand(styled, items, style))
    assert not equal(made, by_hand(styled, items, Code(style.tokens.roll(256, 0))))
    last = Code(style.tokens[-1:])
    assert equal(translated(items, last), by_hand(styled, items, last))
    assert equal(translated(items[:257], Code(style.tokens[:257])), made[:257])


def test_a_mask_of_styles_goes_with_them() -> None:
    seen = []

    class Watched(Reader):
        def decode(self, code: Code, domain: str, style: Code | None = None) -> Signal:
            assert style is not None and style.mask is not None
            seen.append(style.mask)
            return super().decode(code, domain, style)

    mask = torch.arange(300)[:, None] % 3 >= torch.arange(2)
    translator = Translator({"a": Dots(), "b": Dots()}, Watched())
    translator.connect()
    items = torch.rand(300, 6)
    translator.translate(list(items), "a", "b", style=Code(torch.rand(300, 2, 4), mask))
    assert torch.equal(torch.cat(seen), mask) and len(seen) == 2


def test_drawn_styles_follow_their_seed_and_leave_the_random_state_alone(
    styled: Translator,
) -> None:
    torch.manual_seed(3)
    wanted = styled.bridge.style_sample(4).tokens
    before = torch.get_rng_state()
    style = styled.style_sample(4, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(style.tokens, wanted) and not style.tokens.requires_grad
    assert len(styled.style_sample()) == 1
    assert not torch.equal(style.tokens, styled.style_sample(4, seed=4).tokens)
    made = styled.translate(ITEMS, "a", "b", style=style)
    assert equal(made, by_hand(styled, ITEMS, style))
    assert not equal(made, styled.translate(ITEMS, "a", "b"))


def test_mixed_styles_are_of_weights_over_the_tokens(styled: Translator) -> None:
    weights = torch.eye(10)[:4]
    style = styled.style_mix(weights.tolist())
    assert torch.equal(style.tokens, styled.bridge.style_mix(weights).tokens)
    assert not style.tokens.requires_grad
    made = styled.translate(ITEMS, "a", "b", style=style)
    assert equal(made, by_hand(styled, ITEMS, style))
    assert not equal(made, styled.translate(ITEMS, "a", "b"))


class Reader(Swap):
    """A bridge of one's own whose styles are added to its codes."""

    def style(self, reference: Signal, domain: str) -> Code:
        return self.encode(reference, domain)

    def decode(self, code: Code, domain: str, style: Code | None = None) -> Signal:
        if style is not None:
            code = Code.of(code.vector + pooled(style))
        return super().decode(code, domain)


def test_any_bridge_that_reads_styles_is_asked_in_one() -> None:
    translator = Translator({"a": Dots(), "b": Dots()}, Reader())
    translator.connect()
    made = translator.translate(ITEMS, "a", "b", style=translator.style(OTHERS, "b"))
    codes = translator.embed(ITEMS, "a") + translator.embed(OTHERS, "b")
    wanted = translator.bridge.decode(Code.of(codes), "b").values.detach()
    assert equal(made, list(wanted))
    for ask in (translator.style_sample, lambda: translator.style_mix([[1.0]])):
        with pytest.raises(UnsupportedError, match="the bridge 'swap' has no styles to"):
            ask()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda t: t.style(ITEMS, "b"), "the bridge 'swap' has no styles"),
        (lambda t: t.style_sample(), "the bridge 'swap' has no styles to draw"),
        (lambda t: t.style_mix([[1.0]]), "the bridge 'swap' has no styles to mix"),
        (
            lambda t: t.translate(ITEMS, "a", "b", style=Code(torch.zeros(1, 1, 4))),
            "'b' is made in no style: the bridge 'swap' has none",
        ),
    ],
)
def test_a_bridge_without_styles_says_so(ask: Callable[[Translator], Any], message: str) -> None:
    translator = Translator({"a": Dots(), "b": Dots()}, Swap())
    translator.connect()
    with pytest.raises(UnsupportedError, match=message):
        ask(translator)


def test_a_domain_without_styles_says_so() -> None:
    translator = connected(styled=["a"])
    style = translator.style_sample()
    made = translator.translate(ITEMS, "b", "a", style=style)
    assert not equal(made, translator.translate(ITEMS, "b", "a"))
    with pytest.raises(UnsupportedError, match="'b' is made in no style: .* trained without"):
        translator.translate(ITEMS, "a", "b", style=style)
    with pytest.raises(UnsupportedError, match="'b' is no styled target"):
        translator.style(OTHERS, "b")


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda t: t.translate(ITEMS, "a", "b", style=OTHERS), DataError, "a style is a Code, as"),
        (lambda t: t.translate(ITEMS, "a", "b", style="b"), DataError, "style_mix make it, not a"),
        (
            lambda t: t.translate(ITEMS, "a", "b", style=t.style_sample(3)),
            DataError,
            "3 styles for 4 items; give one for all, or one for each",
        ),
        (
            lambda t: t.translate(ITEMS, "a", "b", style=t.style_sample(), among=OTHERS),
            SettingError,
            "give among or style",
        ),
        (lambda t: t.style([], "b"), DataError, "no items"),
        (lambda t: t.style("me", "b"), DataError, r"items of 'b' come in a list: give \[item\]"),
        (lambda t: t.style(OTHERS, "z"), TransmodalError, "no domain 'z'"),
        (lambda t: t.style_sample(0), SettingError, "n must be a whole number >= 1, not 0"),
        (lambda t: t.style_mix([[1.0]]), DataError, r"weights are \[b 10\], not \[1, 1\]"),
    ],
)
def test_wrong_styles(
    styled: Translator, ask: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(styled)


def test_styles_need_weights() -> None:
    translator = Translator({"a": Dots(), "b": Dots()}, UniversalAttention())
    style = Code(torch.zeros(1, 1, 128))
    for ask in (
        lambda: translator.style(OTHERS, "b"),
        translator.style_sample,
        lambda: translator.style_mix([[1.0] * 10]),
        lambda: translator.translate(ITEMS, "a", "b", style=style),
    ):
        with pytest.raises(SettingError, match="no weights yet"):
            ask()


@pytest.mark.parametrize("one", ["hello", b"hello", Path("hello.txt")])
def test_a_single_item_is_not_taken_letter_by_letter(one: Any) -> None:
    translator = Translator({"a": Text(longest=8), "b": Text(longest=8)}, Swap())
    said = rf"items of 'a' come in a list: give \[item\], not one {type(one).__name__} alone"
    for ask in (
        lambda: translator.translate(one, "a", "b"),
        lambda: translator.translate(["x"], "b", "a", among=one),
        lambda: translator.embed(one, "a"),
        lambda: translator.classify(one, "a"),
    ):
        with pytest.raises(DataError, match=said):
            ask()


def test_a_made_signal_tells_what_its_maker_looked_at() -> None:
    """Over several batches, the second of which has shorter texts."""
    text = Text(longest=5, hidden=8, embedding=8, bank=1)
    domains = {"dots": Dots(), "text": text}
    bridge = UniversalAttention(width=8, latent=4, style_width=8, tasks=[("text", "text"),
                                ("dots", "text")], adversarial=0.0)  # fmt: skip
    translator = Translator(domains, bridge)
    translator.connect()
    signal = text.collate(["abcde"] * 256 + ["a"] * 4)
    made = translator.translate_signal(signal, "text", "text")
    assert isinstance(made, Taught) and made.alignment is not None and made.lengths is not None
    assert len(made.alignment) == len(made) == 260
    assert made.alignment.shape[1] == made.values.shape[1]
    with torch.no_grad():
        alone = bridge.decode(bridge.encode(signal[256:], "text"), "text")
    assert isinstance(alone, Taught) and alone.alignment is not None
    s, n = alone.alignment.shape[1:]
    assert torch.allclose(made.alignment[256:, :s, :n], alone.alignment, atol=1e-5)
    for looked, steps in zip(made.alignment, made.steps.tolist(), strict=True):
        assert torch.allclose(looked[:steps].sum(1), torch.ones(steps), atol=1e-5)


def test_items_may_come_in_whatever_has_many() -> None:
    translator = Translator({"a": Dots(), "b": Dots()}, Swap())
    translator.connect()
    items = list(ITEMS)
    wanted = translator.embed(items, "a")
    for many in (Subset(items, range(len(items))), dict(enumerate(items)).values()):
        assert torch.equal(translator.embed(many, "a"), wanted)
    assert translator.sample(1, translator.domains.keys()).keys() == {"a", "b"}
