"""Approximate search: the face of exact search, most of its answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from transmodal.core.errors import (
    CheckpointError,
    DataError,
    SettingError,
    UnknownNameError,
    UnsupportedError,
)
from transmodal.core.retrieval import Index
from transmodal.core.retrieval.approximate import LIST, Approximate


def draw(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(20, 16, generator=generator)
    return centres[torch.arange(n) % 20] + 0.5 * torch.randn(n, 16, generator=generator)


@pytest.fixture(scope="module")
def index() -> Index:
    made = Index(16, "me")
    for domain, n in (("a", 1500), ("b", 700)):
        made.add(draw(n, n), [f"{domain}{i}" for i in range(n)], domain, labels=["x"] * n)
    return made


@pytest.mark.parametrize("lists", [0, -1, 2.5, "3"])
def test_lists_and_probes_are_whole_numbers(index: Index, fast: Approximate, lists: Any) -> None:
    with pytest.raises(SettingError, match="lists must be a whole number >= 1"):
        Approximate(index, lists)
    with pytest.raises(SettingError, match="probes must be a whole number >= 1"):
        fast.search(draw(1, 1), probes=lists)


def test_there_are_no_more_lists_than_items() -> None:
    few = Index(16)
    few.add(draw(3, 1), ["x", "y", "z"], "a")
    assert len(Approximate(few, lists=50).search(draw(1, 1), 3)[0]) == 3


@pytest.fixture(scope="module")
def fast(index: Index) -> Approximate:
    return Approximate(index)


@pytest.mark.parametrize("domains", [None, ["b"], ["a", "b"]])
def test_finds_nearly_what_exact_search_finds(
    index: Index, fast: Approximate, domains: list[str] | None
) -> None:
    queries = draw(40, 1500) + 0.1
    exact = index.search(queries, 10, domains)
    # All lists: only the eight bits could hide an item, and four times as many are compared.
    whole = fast.search(queries, 10, domains, probes=10**4)
    same = (exact.rows[:, :, None] == whole.rows[:, None]).any(2).double().mean()
    assert same == 1 and list(whole)[3] == list(exact)[3]
    few = fast.search(queries, 10, domains, probes=4)
    assert (exact.rows[:, :, None] == few.rows[:, None]).any(2).double().mean() > 0.8
    assert (few.scores <= exact.scores + 1e-6).all()


def test_saved_and_loaded(index: Index, fast: Approximate, tmp_path: Path) -> None:
    index.save(tmp_path)
    fast.save(tmp_path)
    held = Index.load(tmp_path)
    back = Approximate.load(tmp_path, held)
    queries = draw(5, 700)
    assert list(back.search(queries)) == list(fast.search(queries))
    held.add(draw(1, 3), ["new"], "a")
    with pytest.raises(CheckpointError, match="older state of the index, or of another; build"):
        Approximate.load(tmp_path, held)
    with pytest.raises(CheckpointError, match="cannot save the lists in"):
        fast.save(tmp_path / "none")
    file = tmp_path / "approximate-0.faiss"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="holds no lists for approximate search, or damaged"):
        Approximate.load(tmp_path, Index.load(tmp_path))
    (tmp_path / LIST).unlink()
    with pytest.raises(CheckpointError, match=r"holds no lists .*approximate.json"):
        Approximate.load(tmp_path, index)


def test_refuses_as_exact_search_does(
    index: Index, fast: Approximate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingError, match="search: k must be"):
        fast.search(draw(1, 1), 0)
    with pytest.raises(DataError, match="use the one it was made with"):
        fast.search(draw(1, 1), maker="you")
    with pytest.raises(DataError, match=r"takes floating-point vectors \[n 16\]"):
        fast.search(draw(1, 1)[:, 1:])
    assert len(fast.search(draw(0, 1))) == 0
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UnsupportedError, match=r"needs faiss; install transmodal\[search\]"):
        Approximate(index)


def test_a_domain_that_came_later_is_not_searched(index: Index) -> None:
    grown = Index(16, "me")
    grown.add(draw(300, 1), [f"a{i}" for i in range(300)], "a")
    fast = Approximate(grown)
    grown.add(draw(5, 2), [f"c{i}" for i in range(5)], "c")
    assert {hit.domain for hit in fast.search(draw(1, 1), 5)[0]} == {"a"}
    with pytest.raises(UnknownNameError, match="no lists of 'c', .* make them anew"):
        fast.search(draw(1, 1), 5, ["a", "c"])
