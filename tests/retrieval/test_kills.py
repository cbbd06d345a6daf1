"""Whoever adds to an index may be killed at any moment."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from transmodal.cookbook.benchmarks import kill_index
from transmodal.core.retrieval import Index


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_while_adding(tmp_path: Path, kills: int) -> None:
    assert kill_index.kill(tmp_path, kills, seed=kills) == kills


def test_the_judge_sees_a_mix(tmp_path: Path) -> None:
    """Half an addition, a missing one and one that nobody knows of are all told apart."""
    index = Index(kill_index.WIDTH)
    for n in range(2):
        notes = [{"addition": n, "item": i} for i in range(kill_index.ITEMS)]
        labels = [f"c{n}"] * kill_index.ITEMS
        index.add(kill_index.vectors(n), kill_index.ids(n), "items", labels=labels, metadata=notes)
    index.save(tmp_path / "whole")
    assert [kill_index.whole(tmp_path / "whole", said) for said in range(4)] == [
        False, True, True, False,
    ]  # fmt: skip
    index.add(torch.ones(1, kill_index.WIDTH), ["more"], "items")
    index.save(tmp_path / "half")
    assert not kill_index.whole(tmp_path / "half", 2)
    other = Index(kill_index.WIDTH)
    other.add(kill_index.vectors(1), kill_index.ids(0), "items")
    other.save(tmp_path / "other")
    assert not kill_index.whole(tmp_path / "other", 1)
