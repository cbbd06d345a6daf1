"""Decoding: lengths, beams and draws, chosen when a text is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.code import Code
from transmodal.core.errors import SettingError
from transmodal.core.translator import Translator
from transmodal.plugins.text.generator import TextGenerator
from transmodal.plugins.text.modality import Text
from transmodal.plugins.text.units import END
from transmodal.registry import Registry

SMALL: dict[str, Any] = {"longest": 8, "hidden": 12, "embedding": 6, "bank": 2, "critic": 8}
WAYS = [{}, {"beams": 4, "penalty": 1.0}, {"sampling": 1.0}]
TEXTS = ["abc", "b", "gage", "ffff", "chebdaf"]


def writing(leaning: float = 0.0, **settings: Any) -> tuple[Text, TextGenerator]:
    """A modality and a generator of random weights, which leans to the end or away from it."""
    text = Text.learned(["abcdefgh"], unit="character", **SMALL | settings)
    torch.manual_seed(0)
    writer = text.generator(5).eval()
    assert isinstance(writer, TextGenerator)
    with torch.no_grad():
        writer.bias[END] += leaning
    return text, writer


def codes() -> Code:
    return Code(torch.randn(30, 4, 5, generator=torch.Generator().manual_seed(1)))


def translator(**settings: Any) -> Translator:
    """Texts into texts written in this way, of random weights that are far from even."""
    how = {"a": SMALL, "b": SMALL | settings}
    domains = {d: Text.learned(TEXTS, unit="character", **given) for d, given in how.items()}
    bridge = UniversalAttention(tasks=[("a", "b")], styled=(), adversarial=0.0, width=8)
    made = Translator(domains, bridge)
    made.connect(seed=4)
    with torch.no_grad():
        for weight in bridge.generators.parameters():
            weight.mul_(3)
    return made


def into(made: Translator, seed: int = 0) -> list[str]:
    torch.manual_seed(seed)
    return list(made.translate(TEXTS, "a", "b", progress=False))


@pytest.mark.parametrize("way", WAYS)
def test_lengths_are_obeyed_whenever_they_are_set(way: dict[str, Any]) -> None:
    eager, hasty = writing(9.0, **way)
    assert (hasty(codes()).lengths == 1).all()
    eager.shortest = 3
    made = hasty(codes())
    assert (made.lengths == 4).all()
    assert (made.values.argmax(2)[:, :3] != END).all()
    assert all(len(text) == 3 for text in eager.split(made))
    endless, tireless = writing(-90.0, **way)
    for longest in (8, 2, 5):
        endless.longest = longest
        made = tireless(codes())
        assert (made.lengths == longest + 1).all()
        texts = endless.split(made)
        assert all(len(written) == longest for written in texts)
        assert torch.equal(endless.collate(texts).lengths, made.lengths)  # it may be read again
    endless.shortest = 5
    assert (tireless(codes()).lengths == 6).all()
    lengths = writing(**way, shortest=2)[1](codes()).lengths
    assert ((lengths >= 3) & (lengths <= 9)).all()


def test_defaults_search_as_they_did() -> None:
    text, writer = writing()
    assert (text.beams, text.penalty, text.sampling, text.shortest) == (1, 0.0, 0.0, 0)
    state = torch.get_rng_state()
    made = writer(codes())
    assert torch.equal(torch.get_rng_state(), state)  # nothing is drawn
    assert torch.equal(made.values.argmax(2) * made.mask(), writer.search(codes()).units)


def test_what_is_drawn_is_what_the_text_says_and_comes_again() -> None:
    text, writer = writing(sampling=1.0)

    def drawn(seed: int) -> list[str]:
        torch.manual_seed(seed)
        return text.split(writer(codes()))

    torch.manual_seed(3)
    assert text.split(writer.sample(codes())) == drawn(3)
    assert drawn(3) != drawn(4)
    text.sampling = 1e-4
    cold = drawn(3)
    text.sampling = 0.0
    assert cold == text.split(writer(codes()))


@pytest.mark.parametrize(
    ("first", "change"),
    [
        ({}, {"beams": 8, "penalty": 1.0}),
        ({}, {"longest": 3}),
        ({"beams": 8}, {"shortest": 3}),
        ({}, {"sampling": 1.0}),
    ],
)
def test_a_translator_writes_as_it_is_set_after_loading(
    first: dict[str, Any], change: dict[str, Any], tmp_path: Path
) -> None:
    plain = translator(**first)
    plain.save(tmp_path)
    loaded = Translator.load(tmp_path, Registry.load())
    before = into(loaded)
    assert before == into(plain)
    for name, value in change.items():
        setattr(loaded.domains["b"], name, value)
    after = into(loaded)
    assert after == into(translator(**first | change)) != before
    loaded.save(tmp_path)
    assert into(Translator.load(tmp_path, Registry.load())) == after
    for name in change:
        setattr(loaded.domains["b"], name, getattr(plain.domains["b"], name))
    assert into(loaded) == before


def test_translators_saved_before_there_was_a_choice_write_as_they_did(tmp_path: Path) -> None:
    plain = translator(beams=2)
    plain.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for modality in config["modalities"]:
        del modality["settings"]["shortest"], modality["settings"]["sampling"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert into(Translator.load(tmp_path, Registry.load())) == into(plain)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("beams", 0, "text: beams must be a whole number >= 1 <= 1000, not 0"),
        ("longest", "5", "text: longest must be a whole number >= 1 <= 100000, not '5'"),
        ("shortest", 9, "text: shortest must be a whole number >= 0 <= 8, not 9"),
        ("penalty", 3.0, "text: penalty must be a number >= 0 <= 2, not 3.0"),
        ("sampling", -1.0, "text: sampling must be a number >= 0 <= 100, not -1.0"),
        ("sampling", 1e-9, "text: sampling above 0 must be a number >= 1e-06, not 1e-09"),
    ],
)
def test_what_no_text_can_be_written_by_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Text(**SMALL | {name: value})
    text, writer = writing()
    setattr(text, name, value)
    ways: list[Callable[[Code], object]] = [writer, writer.search, writer.sample]
    for way in ways:
        with pytest.raises(SettingError, match=message):
            way(codes())
