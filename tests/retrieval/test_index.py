"""The index: what it finds, keeps, and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from transmodal.core.errors import CheckpointError, DataError, SettingError, UnknownNameError
from transmodal.core.retrieval import Index, index, segment, stored
from transmodal.core.retrieval.maker import fingerprint
from transmodal.core.translator import Translator
from transmodal.plugins.text.modality import Text
from transmodal.registry import Registry

from toys import Dots, Swap, dots

WIDTH = 8


def draw(n: int, seed: int = 0, width: int = WIDTH) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def names(domain: str, n: int, start: int = 0) -> list[str]:
    return [f"{domain}{i}" for i in range(start, start + n)]


@pytest.fixture
def made() -> Index:
    """100 pictures with labels, 60 sounds with metadata."""
    made = Index(WIDTH, maker="me")
    pictures = names("p", 100)
    made.add(draw(100, 1), pictures, "picture", labels=["cat", "dog", None, "eel"] * 25)
    made.add(draw(60, 2), names("s", 60), "sound", metadata=[{"n": i, "é": [1]} for i in range(60)])
    return made


def found(
    index: Index, queries: Tensor, k: int = 5, **chosen: Any
) -> list[list[tuple[str, float]]]:
    return [[(hit.id, hit.score) for hit in hits] for hits in index.search(queries, k, **chosen)]


def test_finds_in_all_domains_and_in_one(made: Index) -> None:
    rows, queries = torch.cat([draw(100, 1), draw(60, 2)]).double(), draw(9, 3)
    cosines = torch.nn.functional.cosine_similarity(queries.double()[:, None], rows[None], dim=2)
    everything = names("p", 100) + names("s", 60)
    for domains, part in (
        (None, slice(None)),
        (["picture"], slice(100)),
        (["sound"], slice(100, 160)),
        (["sound", "picture"], slice(None)),
    ):
        wanted = cosines[:, part].topk(5)
        answers = made.search(queries, 5, domains)
        for i, hits in enumerate(answers):
            assert [h.id for h in hits] == [everything[part][j] for j in wanted.indices[i]]
            np.testing.assert_allclose([h.score for h in hits], wanted.values[i], atol=1e-6)


def test_hits_tell_of_their_item(made: Index) -> None:
    hit = made.search(made.vectors(["p3"]), 1)[0][0]
    assert (hit.id, hit.domain, hit.label, hit.metadata) == ("p3", "picture", "eel", None)
    assert hit.score == pytest.approx(1, abs=1e-6)
    [[hit]] = made.search(made.vectors(["s7"]), 1, ["sound"])
    assert (hit.label, hit.metadata) == (None, {"n": 7, "é": [1]})
    answers = made.search(made.vectors(["p2", "p2"]), 200)
    assert [len(hits) for hits in answers[:2]] == [160, 160] and answers[-1][0].label is None
    assert len(made.search(draw(0), 3)) == 0
    assert made.vectors([]).shape == (0, WIDTH)


def test_length_does_not_matter(made: Index) -> None:
    queries = draw(4, 5)
    wanted = found(made, queries)
    for scale in (1e-30, 1e30):
        assert found(made, queries.double() * scale) == wanted
    small = Index(WIDTH)
    small.add(draw(100, 1).double() * 1e-200, names("p", 100), "picture")
    assert found(small, queries) == found(made, queries, domains=["picture"])


def test_ties_come_in_the_order_of_adding() -> None:
    made = Index(2)
    ones = torch.ones(300, 2)
    made.add(ones, names("a", 300), "a")
    made.add(ones, names("b", 300), "b")
    made.add(ones, names("a", 300, 300), "a")
    [hits] = made.search(torch.ones(1, 2), 700)
    assert [h.id for h in hits] == names("a", 600) + names("b", 100)


@pytest.mark.parametrize("sizes", [[1] * 40, [5, 90, 3, 3, 3, 70, 200]])
def test_bit_by_bit_is_all_at_once(
    tmp_path: Path, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "MOST", 100)
    monkeypatch.setattr(index, "MOST", 100)
    n = sum(sizes)
    rows, labels = draw(n, 6), ["x", None, "y"] * n
    whole = Index(WIDTH)
    whole.add(rows, names("i", n), "d", labels=labels[:n], metadata=list(range(n)))
    Index(WIDTH).save(tmp_path / "bits")
    start = 0
    for size in sizes:
        bits = Index.load(tmp_path / "bits")
        part = slice(start, start + size)
        ids = names("i", size, start)
        bits.add(rows[part], ids, "d", labels=labels[part], metadata=list(range(n))[part])
        bits.save(tmp_path / "bits")
        start += size
    bits = Index.load(tmp_path / "bits")
    queries = draw(5, 7)
    for one, other in zip(whole.search(queries, 30), bits.search(queries, 30), strict=True):
        assert one == other
    files = list((tmp_path / "bits").glob("*.safetensors"))
    assert len(files) == len(bits._segments["d"]) <= 2 * n / 100 + np.log2(n)
    assert torch.equal(bits.vectors(["i3"]), whole.vectors(["i3"])) and "i3" in bits
    assert len(bits) == n and "nobody" not in bits


def test_saved_and_loaded(made: Index, tmp_path: Path) -> None:
    made.save(tmp_path / "there")
    back = Index.load(tmp_path / "there")
    assert (back.width, back.maker, back.domains) == (WIDTH, "me", {"picture": 100, "sound": 60})
    assert repr(back) == "<Index of 100 of 'picture', 60 of 'sound', width 8>"
    assert repr(Index(3)) == "<Index of nothing, width 3>"
    queries = draw(6, 8)
    assert list(back.search(queries)) == list(made.search(queries))
    # Saved again, elsewhere, and with an item whose name is no text that could be written.
    back.add(draw(1), ["caf\udce9.png"], "picture")
    back.save(tmp_path / "there")
    back.save(tmp_path / "elsewhere")
    for folder in ("there", "elsewhere"):
        assert Index.load(tmp_path / folder).search(draw(1), 1)[0][0].id == "caf\udce9.png"
    assert made.save(tmp_path / "third") == tmp_path / "third"


def test_unchanged_segments_are_not_written_again(made: Index, tmp_path: Path) -> None:
    made.save(tmp_path)
    before = {f.name: f.stat().st_mtime_ns for f in tmp_path.glob("*.safetensors")}
    made.add(draw(10, 9), names("q", 10), "picture")
    made.save(tmp_path)
    after = {f.name: f.stat().st_mtime_ns for f in tmp_path.glob("*.safetensors")}
    assert len(set(before.items()) & set(after.items())) == 2 and len(after) == 3


def test_memory_is_mapped_and_small(tmp_path: Path) -> None:
    made = Index(256)
    made.add(draw(3000, width=256), names("i", 3000), "d", labels=["x"] * 3000)
    made.save(tmp_path)
    size = sum(f.stat().st_size for f in tmp_path.iterdir())
    assert size <= 1.3 * 3000 * 256 * 4
    with Path("/proc/self/maps").open() as maps:
        held = Index.load(tmp_path)
        assert str(next(tmp_path.glob("*.safetensors"))) in maps.read()
    assert len(held) == 3000


BAD = [
    (draw(2, width=7), {}, r"takes floating-point vectors \[n 8\], not \[2, 7\] of float32"),
    (draw(2)[0], {}, r"not \[8\] of float32"),
    (torch.ones(2, 8, dtype=torch.int64), {}, "of int64"),
    (draw(2) * torch.tensor([[1.0], [0.0]]), {}, "the vector of 'y' is all zero"),
    (draw(2) / torch.tensor([[0.0], [1.0]]), {}, "the vector of 'x' is not finite"),
    (draw(2) * torch.nan, {}, "'x' is not finite, so it has no direction; leave it out"),
    (draw(2), {"ids": ["x"]}, "2 vectors need as many ids, not 1"),
    (draw(2), {"labels": ["x"]}, "2 vectors need as many labels, not 1"),
    (draw(2), {"metadata": [1, 2, 3]}, "2 vectors need as many metadata, not 3"),
    (draw(2), {"ids": ["x", "x"]}, "the id 'x' is there already; an id names one item"),
    (draw(2), {"ids": ["x", "p1"]}, "the id 'p1' is there already"),
    (draw(2), {"ids": ["x", ""]}, r"ids are texts that are not empty, not '' \(item 1\)"),
    (draw(2), {"ids": [["x"], "y"]}, r"not \['x'\] \(item 0\)"),
    (draw(2), {"labels": ["cat", 2]}, r"labels are texts or None, not 2 \(of 'y'\)"),
    (draw(2), {"metadata": [1, {1, 2}]}, "the metadata of 'y' cannot be kept as JSON"),
    (draw(2), {"metadata": [np.nan, 1]}, "the metadata of 'x' cannot be kept as JSON"),
    (draw(2).numpy(), {}, r"takes a tensor \[n 8\], not a ndarray; .* torch.as_tensor"),
    (draw(2), {"domain": 3}, "a domain's name is a text that is not empty, not 3"),
    (draw(2), {"domain": ""}, "a domain's name is a text that is not empty, not ''"),
    (draw(2), {"maker": "you"}, "of translator me, and these are of translator you; use the one"),
    (draw(2), {"maker": ""}, "of translator me, and these are of no translator"),
]


@pytest.mark.parametrize("vectors, changed, message", BAD)
def test_add_refuses(made: Index, vectors: Tensor, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        made.add(vectors, **({"ids": ["x", "y"], "domain": "picture"} | changed))
    assert made.domains == {"picture": 100, "sound": 60} and "x" not in made


def test_search_refuses(made: Index) -> None:
    for k in (0, -1, 1.5, True):
        with pytest.raises(SettingError, match="search: k must be a whole number >= 1, not"):
            made.search(draw(1), k)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no items of a domain 'smell' here; there are pict"):
        made.search(draw(1), domains=["smell"])
    with pytest.raises(DataError, match=r"vectors \[n 8\], not \[1, 9\]"):
        made.search(draw(1, width=9))
    with pytest.raises(DataError, match="the vector of query 1 is all zero"):
        made.search(torch.stack([draw(1)[0], torch.zeros(WIDTH)]))
    with pytest.raises(DataError, match="holds vectors of translator me, and these are of"):
        made.search(draw(1), maker="another")
    with pytest.raises(DataError, match="this index holds no items; add some before"):
        Index(WIDTH).search(draw(1))
    with pytest.raises(UnknownNameError, match="no item 'nobody' in this index of 160"):
        made.vectors(["p1", "nobody"])
    for width in (0, 2**17 + 1, 2.5, True, "8"):
        with pytest.raises(DataError, match=f"vectors of 1 to 131072 numbers, not of {width!r}"):
            Index(width)  # type: ignore[arg-type]
    assert len(made.search(draw(1), maker="me")) == 1


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def other_rows(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    held = load_file(file)
    save_file(held | {"vectors": held["vectors"][:-1]}, file)


def drop(name: str) -> Any:
    def without(file: Path) -> None:
        from safetensors.torch import load_file, save_file

        save_file({key: value for key, value in load_file(file).items() if key != name}, file)

    return without


def flat(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    held = load_file(file)
    save_file(held | {"vectors": held["vectors"].flatten()}, file)


@pytest.mark.parametrize(
    "harm, message",
    [
        (Path.unlink, r"items-\w+.safetensors is missing, truncated or damaged"),
        (
            cut,
            r"items-\w+.safetensors is missing, truncated or damaged .* restore it or index anew",
        ),
        (lambda file: file.write_bytes(b""), "missing, truncated or damaged"),
        (other_rows, "its tensors do not fit together"),
        (drop("codes"), "it lacks 'codes'"),
        (flat, "its vectors are no matrix"),
    ],
)
def test_harmed_segments_are_refused(made: Index, tmp_path: Path, harm: Any, message: str) -> None:
    made.save(tmp_path)
    harm(next(tmp_path.glob("*.safetensors")))
    with pytest.raises(CheckpointError, match=message):
        Index.load(tmp_path)


def test_harmed_lists_are_refused(made: Index, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no index: no index.json"):
        Index.load(tmp_path)
    made.save(tmp_path)
    file = tmp_path / stored.LIST
    whole = json.loads(file.read_text())
    for text in ("", file.read_text()[:50], "[]", '{"kind": 1}'):
        file.write_text(text)
        with pytest.raises(CheckpointError, match="index.json is truncated or damaged"):
            Index.load(tmp_path)
    for key, value in (("classes", None), ("classes", [1]), ("domain", []), ("rows", "3")):
        wrong = [whole["segments"][0] | {key: value}, *whole["segments"][1:]]
        file.write_text(json.dumps(whole | {"segments": wrong}))
        with pytest.raises(CheckpointError, match="no transmodal index of format 1"):
            Index.load(tmp_path)
    file.write_text(json.dumps(whole | {"format": 7}))
    with pytest.raises(CheckpointError, match="no transmodal index of format 1; another version"):
        Index.load(tmp_path)
    file.write_text(json.dumps(whole | {"width": 5}))
    with pytest.raises(CheckpointError, match=r"holds vectors \[\d+, 8\], and .* speaks of"):
        Index.load(tmp_path)
    file.write_bytes(b"\xff")
    with pytest.raises(CheckpointError, match="index.json cannot be read"):
        Index.load(tmp_path)


def test_a_folder_is_the_same_by_any_name(made: Index, tmp_path: Path) -> None:
    made.save(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    for i, other in enumerate(("link", "real/../real")):
        held = Index.load(tmp_path / other)
        held.add(draw(1, i), [f"new{i}"], "picture")
        held.save(tmp_path / "real")
        assert f"new{i}" in Index.load(tmp_path / "link")


def test_two_writers_do_not_mix(made: Index, tmp_path: Path) -> None:
    made.save(tmp_path)
    mine, other = Index.load(tmp_path), Index.load(tmp_path)
    mine.add(draw(1), ["mine"], "picture")
    other.add(draw(1), ["other"], "picture")
    mine.save(tmp_path)
    with pytest.raises(CheckpointError, match="or one that was changed since this one was loaded"):
        other.save(tmp_path)
    assert "mine" in Index.load(tmp_path)
    with stored._alone(tmp_path), pytest.raises(CheckpointError, match="another process is saving"):
        mine.save(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot save the index in .*file"):
        made.save(tmp_path / "file")


def test_a_failed_save_leaves_the_old_state(
    made: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.save(tmp_path)
    before = set(tmp_path.iterdir())
    made.add(draw(1), ["new"], "picture")

    def full(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(stored, "write_atomically", full)
        with pytest.raises(CheckpointError, match="cannot save the index in .*: no space left"):
            made.save(tmp_path)
    assert "new" not in Index.load(tmp_path) and set(tmp_path.iterdir()) > before
    made.save(tmp_path)  # goes well now, and what was left is gone
    assert "new" in Index.load(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_a_reader_follows_a_writer(
    made: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is read, then somebody saves and removes a file that it names."""
    made.save(tmp_path)
    old = made.domains["picture"]
    open_ = stored._open

    def late(*arguments: Any) -> Any:
        monkeypatch.setattr(stored, "_open", open_)
        made.add(draw(90, 4), names("n", 90), "picture")
        made.save(tmp_path)
        return open_(*arguments)

    monkeypatch.setattr(stored, "_open", late)
    assert Index.load(tmp_path).domains["picture"] == old + 90


def test_built_of_a_translators_items(tmp_path: Path) -> None:
    translator = Translator({"a": Dots(), "b": Dots()}, Swap())
    translator.connect(("0", "1"))
    those = list(dots(5)[0])
    built = Index.build(
        translator, {"a": those, "b": those[:2]}, ids={"a": list("vwxyz")}, labels={"b": ["k", "l"]}
    )
    assert built.maker == fingerprint(translator) and built.domains == {"a": 5, "b": 2}
    [[hit]] = built.search(translator.embed(those[1:2], "b"), 1, ["b"], maker=built.maker)
    assert (hit.id, hit.label) == ("b/1", "l") and "z" in built
    with pytest.raises(DataError, match="an index is built of items, and there are none"):
        Index.build(translator, {"a": []})
    with pytest.raises(UnknownNameError, match="no items of 'c' here, of a"):
        Index.build(translator, {"a": those}, labels={"c": ["k"]})
    # A fingerprint outlives save and load, tells weights and settings apart, and not how to write.
    translator.save(tmp_path)
    registry = Registry()
    registry.modality = lambda name: Dots  # type: ignore[method-assign]
    registry.bridge = lambda name: Swap  # type: ignore[method-assign]
    assert fingerprint(Translator.load(tmp_path, registry)) == built.maker
    other = Translator({"a": Dots(), "b": Dots()}, Swap())
    other.connect(("0", "1"), seed=1)
    assert fingerprint(other) != built.maker


def test_how_texts_are_written_changes_no_fingerprint() -> None:
    translator = Translator({"a": Text(longest=9), "b": Dots()}, Swap())
    translator.connect(("0", "1"))
    before = fingerprint(translator)
    words = translator.domains["a"]
    words.beams, words.penalty, words.sampling, words.shortest = 4, 1.0, 0.5, 2
    assert fingerprint(translator) == before
    words.longest = 8
    assert fingerprint(translator) != before


def test_labels_may_be_an_array() -> None:
    index = Index(2, "me")
    index.add(torch.eye(2), ["x", "y"], "a", labels=np.array(["k", "l"]))
    assert index.search(torch.eye(2), 1)[1][0].label == "l"
