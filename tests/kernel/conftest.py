"""One thread for tiny models, and states of a stopped run to harm."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from kernel_toys import Toy, stages, stopped, train, weights


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads would wait for each other longer than they compute."""
    earlier = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(earlier)


@pytest.fixture(scope="module")
def unbroken() -> dict[str, torch.Tensor]:
    model = Toy()
    train(model, stages(model, 12))
    return weights(model)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("states")
    stopped(folder)
    return folder


@pytest.fixture
def folder(states: Path, tmp_path: Path) -> Path:
    """A copy of two states, 6 and 7, to harm."""
    shutil.copytree(states, tmp_path / "states")
    return tmp_path / "states"
