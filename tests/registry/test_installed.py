"""One contract over all modalities, one over all bridges that come with transmodal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from transmodal.registry import Registry
from transmodal.registry.contract import check_bridge, check_modality

from toys import Dots, table

REGISTRY = Registry.load()


def pictures(channels: int, h: int, w: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(channels, h, w, generator=generator) for _ in range(3)]


def vectors(size: int) -> list[Tensor]:
    return [5 + torch.randn(size, generator=torch.Generator().manual_seed(k)) for k in range(3)]


def tones(rate: int) -> list[Tensor]:
    """Decaying tones of three lengths, in a little noise."""
    generator = torch.Generator().manual_seed(0)
    waves = []
    for k in range(3):
        time = torch.arange((4 + k) * rate // 8) / rate
        noise = 0.01 * torch.randn(len(time), generator=generator)
        waves.append(0.5 * torch.sin(2 * torch.pi * (300 + 100 * k) * time) * (1 - time) + noise)
    return waves


# Name of a modality -> settings and items it is tried with; a new modality adds a line.
# A log-mel has no phases: tones come back through Griffin-Lim about 0.6 off at worst, where
# silent bands differ from the floor.
SUBJECTS: list[tuple[str, dict[str, Any], Callable[[], list[Any]], float]] = [
    ("image", {"size": 28, "channels": 1}, lambda: pictures(1, 28, 28), 1e-5),
    ("image", {"size": (16, 24), "channels": 3}, lambda: pictures(3, 16, 24), 1e-5),
    ("speech", {"sample_rate": 8000}, lambda: tones(8000), 0.8),
    ("audio", {"sample_rate": 8000}, lambda: tones(8000), 0.8),
    ("text", {"longest": 20, "hidden": 16}, lambda: ["one", "the second", "été"], 0.0),
    ("features", {"size": 300}, lambda: vectors(300), 1e-5),
    ("features", {"size": 16, "mean": 5.0, "std": 2.0}, lambda: vectors(16), 1e-5),
    ("audio", {"sample_rate": 8000, "form": "raster"}, lambda: tones(8000), 1e-3),
]


@pytest.mark.parametrize(("name", "settings", "items", "round_trip"), SUBJECTS)
def test_modalities_keep_the_contract(
    name: str, settings: dict[str, Any], items: Callable[[], list[Any]], round_trip: float
) -> None:
    modality = REGISTRY.modality(name)(**settings)
    check_modality(modality, items(), round_trip=round_trip)


def test_no_modality_is_left_out() -> None:
    ours = {e.name for e in REGISTRY.entries("modality") if e.plugin.distribution == "transmodal"}
    assert ours == {name for name, *_ in SUBJECTS}


@pytest.mark.parametrize(
    "name", [e.name for e in REGISTRY.entries("bridge") if e.plugin.distribution == "transmodal"]
)
def test_bridges_keep_the_contract(name: str) -> None:
    domains = {"a": Dots(), "b": Dots(size=5), "c": Dots()}
    columns = {k: table(k, size=m.size).columns[k] for k, m in domains.items()}
    check_bridge(REGISTRY.bridge(name)(), domains, type(table("a"))(columns, ("0", "1")))
