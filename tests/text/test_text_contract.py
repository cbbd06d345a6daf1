"""The text's contract, whatever it is spelt with and however it is read."""

from __future__ import annotations

import pytest

from transmodal.plugins.text.modality import Text
from transmodal.registry import Registry
from transmodal.registry.contract import check_modality

ITEMS = ["ça va?", "x"]
SMALL = {"longest": 7, "hidden": 16, "embedding": 8, "bank": 2, "critic": 8}


@pytest.mark.parametrize("attention", ["dot", "additive", "location"])
def test_the_contract_holds(attention: str) -> None:
    check_modality(Text(attention=attention, augmentation=0.3, **SMALL), ITEMS)


def test_the_contract_holds_for_beams_and_learned_units() -> None:
    text = Text.learned(ITEMS, unit="character", beams=3, penalty=1.0, smoothing=0.1, **SMALL)
    check_modality(text, ITEMS)


def test_the_registry_finds_it() -> None:
    assert Registry.load().modality("text") is Text
