"""``transmodal index`` and ``transmodal search`` on files of two modalities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from calls import Plugin, refused, run, save

from transmodal.core.retrieval import Index
from transmodal.core.translator import Translator
from transmodal.registry import Registry
from transmodal.registry.commands import paths

from toys import Dots, Swap, dots


class Points(Dots):
    """Dots under another name and suffix."""

    name = "points"
    suffixes = (".points",)

    def write(self, item: Any, path: Path) -> None:
        path.write_text(json.dumps(torch.as_tensor(item).tolist()))


@pytest.fixture
def registry(registry: Registry) -> Registry:
    registry.register(Plugin({"points": Points}), "points", "acme", "1")
    return registry


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A translator of two domains, ``model``, and files of both, ``files``."""
    save(tmp_path / "model", Swap(), {"a": Dots(), "b": Points()})
    (tmp_path / "files").mkdir()
    for k, item in enumerate(dots(6)[0]):
        Dots().write(item, tmp_path / "files" / f"{k}.json")
        Points().write(item, tmp_path / "files" / f"{k}.points")
    return tmp_path


def test_files_are_indexed_and_found(
    registry: Registry, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SLICE", 4)
    model, where, files = place / "model", place / "things", place / "files"
    made = run(registry, "index", model, where, files / "0.json", files / "0.points")
    assert made.output.splitlines() == [
        "added 1 of a", "added 1 of b", f"{where} holds 2 items",
    ]  # fmt: skip
    more = run(registry, "index", model, where, files, files / "2.json", "--json")
    assert json.loads(more.stdout) == {
        "index": str(where), "added": {"a": 5, "b": 5}, "known": 2, "domains": {"a": 6, "b": 6},
    }  # fmt: skip
    again = run(registry, "index", model, where, files)
    assert again.output == f"{where} holds 12 items (12 were there already)\n"
    found = run(registry, "search", model, where, files / "3.json", "-k", 2, "--in", "a")
    assert found.output.splitlines()[:2] == [
        f"{files / '3.json'} (a)", f"   1.0000  {files / '3.json'} (a)",
    ]  # fmt: skip
    assert len(found.output.splitlines()) == 3
    entries = json.loads(run(registry, "search", model, where, files, "--json").stdout)
    assert len(entries) == 12 and {len(e["hits"]) for e in entries} == {10}
    for entry in entries:
        best = max(entry["hits"], key=lambda hit: hit["score"])
        assert entry["hits"][0] == best and best["score"] == pytest.approx(1, abs=1e-6)
        assert set(best) == {"id", "domain", "score", "label", "metadata"}


def test_the_cosines_are_those_of_embed(registry: Registry, place: Path) -> None:
    model, where, files = place / "model", place / "things", sorted((place / "files").iterdir())
    run(registry, "index", model, where, *files)
    translator = Translator.load(model, registry)
    a, b = (translator.embed([f for f in files if f.suffix == s], d)
            for s, d in ((".json", "a"), (".points", "b")))  # fmt: skip
    wanted = torch.nn.functional.cosine_similarity(a[:, None], b[None], dim=2)
    output = run(registry, "search", model, where, place / "files", "--domain", "a", "--in", "b",
                 "--json").stdout  # fmt: skip
    for entry, line in zip(json.loads(output), wanted, strict=True):
        scores = [hit["score"] for hit in entry["hits"]]
        assert scores == pytest.approx(line.sort(descending=True).values.tolist(), abs=1e-6)


def test_labels_are_shown(registry: Registry, place: Path) -> None:
    translator = Translator.load(place / "model", registry)
    query = place / "files" / "1.json"
    index = Index.build(translator, {"a": [query]}, labels={"a": ["cat"]})
    index.save(place / "labelled")
    shown = run(registry, "search", place / "model", place / "labelled", query)
    assert shown.output.splitlines()[1] == "   1.0000  a/0 (a) cat"


def test_refusals(registry: Registry, place: Path) -> None:
    model, where, files = place / "model", place / "things", place / "files"
    assert "no such file or folder" in refused(registry, "index", model, where, place / "none")
    assert "no domain may be the domain for '.txt'" in refused(
        registry, "index", model, where, write(place / "a.txt")
    )
    assert "not a JSON list" in refused(registry, "index", model, where, write(place / "x.json"))
    assert not where.exists()
    assert "holds no index" in refused(registry, "search", model, where, files)
    run(registry, "index", model, where, files)
    assert "k must be a whole number >= 1" in refused(
        registry, "search", model, where, files, "-k", 0
    )
    assert "no items of a domain 'c'" in refused(
        registry, "search", model, where, files, "--in", "c"
    )
    assert "no domain 'c'; the domains are a, b" in refused(
        registry, "search", model, where, files, "--domain", "c"
    )
    save(place / "other", Swap(), {"a": Dots(), "b": Points()}, seed=1)
    for command in ("index", "search"):
        assert "use the one it was made with, or index anew in another folder" in refused(
            registry, command, place / "other", where, files
        )
    assert run(registry, "index", place / "other", place / "anew", files).exit_code == 0
    for command in ("index", "search"):
        assert "--json" in run(registry, command, "--help").output


def write(path: Path) -> Path:
    path.write_text("{")
    return path
