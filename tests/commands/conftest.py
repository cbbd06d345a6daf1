"""The built-in commands and toys for them; a test's file registers what else it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from calls import Plugin, save

from transmodal.registry import Registry
from transmodal.registry import commands as built_in

from toys import Dots, Swap, dots


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.register(built_in, "commands", "transmodal", "0.1.0")
    registry.register(Plugin({"dots": Dots}, {"swap": Swap}), "toys", "acme-toys", "3.1")
    return registry


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A connected translator of two domains, with random weights."""
    return save(tmp_path / "saved", Swap())


@pytest.fixture
def items(tmp_path: Path) -> list[Path]:
    """Files of three items."""
    files = [tmp_path / f"item{k}.json" for k in range(3)]
    for file, item in zip(files, dots(3)[0], strict=True):
        Dots().write(item, file)
    return files
