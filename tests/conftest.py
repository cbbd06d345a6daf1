"""What every test shares: marks that skip themselves, and the data folder."""

from __future__ import annotations

import os

# before numpy, torch and the like are imported: every core has a process of its own, and the nets
# here are so small that a second thread only waits
os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import transmodal  # noqa: F401  the installed one, before pytest meets the checkout's __init__.py


def data_folder() -> Path | None:
    named = os.environ.get("TRANSMODAL_DATA")
    return Path(named) if named else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    for item in items:
        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))
        if item.get_closest_marker("data") and data_folder() is None:
            item.add_marker(pytest.mark.skip(reason="TRANSMODAL_DATA names no folder of data sets"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of data sets; mark tests that use it with ``data``."""
    folder = data_folder()
    assert folder is not None, "mark the test with @pytest.mark.data"
    return folder


@pytest.fixture
def shrink(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make the defaults of a function's keywords small: ``shrink(fit, steps=2)``."""

    def change(function: Any, **defaults: Any) -> None:
        assert set(defaults) <= set(function.__kwdefaults__)
        monkeypatch.setattr(function, "__kwdefaults__", {**function.__kwdefaults__, **defaults})

    return change
