"""One quick demo for all the tests that look at what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from transmodal.registry import Registry
from transmodal.registry.commands.cli import cli


@pytest.fixture(scope="session")
def call() -> Callable[..., Result]:
    """``transmodal`` with these words."""
    torch.set_num_threads(1)
    for package in ("espeakng_loader", "sklearn"):
        pytest.importorskip(package, reason=f"no {package}: pip install 'transmodal[demo]'")

    def transmodal(*words: object) -> Result:
        return CliRunner().invoke(cli, [str(word) for word in words], obj=Registry.load())

    return transmodal


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, call) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("quick") / "demo"
    return out, call("demo", "--quick", "--out", out, "--precision", "fp32")
