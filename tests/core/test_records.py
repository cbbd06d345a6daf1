"""Records: where they come from, what is wrong with them, and how they become signals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transmodal.core.errors import DataError, SettingError
from transmodal.core.records import Records
from transmodal.core.stage import UNLABELLED, Draw

from toys import Dots


def dots(n, start=0):
    return [torch.full((3,), (start + i) / 100) for i in range(n)]


def manifest(folder, text, name="m.csv"):
    path = folder / name
    path.write_text(text)
    return path


def files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps([0.5, 0.5, 0.5]))


def test_unpaired_arrays_have_rows_of_their_own():
    records = Records.from_arrays(
        {"a": dots(3), "b": dots(2)}, labels={"a": [0, 1, None], "b": [1, 0]}
    )
    table = records.table({"a": Dots(size=3), "b": Dots(size=3)})
    assert len(records) == 5
    assert table.column("b").rows.tolist() == [3, 4]
    assert table.column("a").labels.tolist() == [0, 1, UNLABELLED]
    assert table.classes == ("0", "1")


def test_paired_arrays_share_rows():
    records = Records.from_arrays({"a": dots(3), "b": dots(3, 50)}, ["x", "y", "x"], paired=True)
    table = records.table({"a": Dots(size=3), "b": Dots(size=3)})
    batch = next(table.feed([Draw("d", ("a", "b"), 2, kind="paired")], seed=0))["d"]
    gap = batch.signals["b"].values - batch.signals["a"].values
    torch.testing.assert_close(gap, torch.full_like(gap, 0.5))
    assert table.classes == ("x", "y")


def test_numbers_as_labels_keep_their_order():
    labels = [10, 9, 2]
    assert Records.from_arrays({"a": dots(3)}, labels).classes() == ("2", "9", "10")


def test_a_manifest_is_a_table_with_holes(tmp_path):
    files(tmp_path, "1.json", "2.json", "3.json")
    path = manifest(tmp_path, "a,b,label,split\n1.json,2.json,x,train\n3.json,,y,test\n")
    records = Records.from_manifest(path)
    table = records.table({"a": Dots(size=3), "b": Dots(size=3)})
    assert [len(table.column(d)) for d in "ab"] == [2, 1]
    assert len(records.part("test")) == 1
    lines = '{"a": "1.json", "label": "x"}\n{"a": "2.json"}\n'
    from_lines = Records.from_manifest(manifest(tmp_path, lines, "m.jsonl"))
    assert from_lines.labels == ("x", None)
    unknown = '{"a": "1.json", "label": -1}\n{"a": "2.json", "label": "of\u2028two"}\n'
    assert Records.from_manifest(manifest(tmp_path, unknown, "m.jsonl")).labels == (
        None,
        "of\u2028two",
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.csv", "a,a\n1.json,1.json\n", "names 'a' twice"),
        ("m.csv", "a,label\nnone.json,x\n", "row 1, field 'a': no such file none.json"),
        ("m.csv", "a\n1.json,2.json\n", "row 1: 2 fields where the header has 1"),
        ("m.csv", "a,b\n1.json,\n", "column 'b' is empty in every row"),
        ("m.csv", "label\nx\n", "no domain column"),
        ("m.csv", "a\n", "holds no records"),
        ("m.txt", "a\n1.json\n", "a manifest is .csv or .jsonl"),
        ("m.jsonl", "{\n", "row 1: not a JSON object"),
        ("m.jsonl", '{"a": "1.json", "a": "1.json"}\n', "named twice"),
        ("m.jsonl", "[1]\n", "row 1: not a JSON object but"),
        ("m.csv", f"a\n{'a sentence ' * 40}\n", "row 1, field 'a': no such file a sentence"),
        ("m.jsonl", '{"a": "1\\u0000.json"}\n', "row 1, field 'a': no such file"),
        ("m.csv", 'a\n"' + "1.json\n" * 20000, "cannot be read as CSV: .* is a quote open?"),
    ],
)
def test_bad_manifests_name_file_row_and_field(tmp_path, name, text, message):
    files(tmp_path, "1.json")
    with pytest.raises(DataError, match=message):
        Records.from_manifest(manifest(tmp_path, text, name))


def test_empty_lines_of_a_manifest_are_no_rows(tmp_path):
    files(tmp_path, "a.json", "b.json")
    path = manifest(tmp_path, "\nx\n\na.json\n\nb.json\n", "M.CSV")
    assert Records.from_manifest(path).columns["x"].rows.tolist() == [0, 1]
    for last in ("b.json,3", "none.json"):  # of whatever kind the fault is, the row is one number
        manifest(tmp_path, f"x\n\na.json\n\n{last}\n", "M.CSV")
        with pytest.raises(DataError, match=r"M\.CSV, row 2"):
            Records.from_manifest(path)


def test_inline_cells_are_the_items_themselves(tmp_path):
    files(tmp_path, "1.json")
    path = manifest(tmp_path, 'pic,said,label\n1.json,"1.json, it said",x\n1.json,,y\n')
    records = Records.from_manifest(path, inline=["said"])
    assert records.columns["said"].items == ["1.json, it said"]
    assert records.columns["said"].rows.tolist() == [0]
    assert records.columns["pic"].items == [tmp_path / "1.json"] * 2
    with pytest.raises(DataError, match="row 1, field 'said': .* said to be inline"):
        Records.from_manifest(path)
    for unknown in ("sad", "label"):
        with pytest.raises(
            DataError, match=f"inline {unknown!r} is none of the domains read: pic, said"
        ):
            Records.from_manifest(path, inline=[unknown])
    with pytest.raises(DataError, match="inline come in a list"):
        Records.from_manifest(path, inline="said")
    many = manifest(tmp_path, '{"said": "one", "other": [1]}\n{"said": ["a", "b"]}\n', "m.jsonl")
    with pytest.raises(DataError, match="row 2, field 'said': a list, where a cell is one item"):
        Records.from_manifest(many, ["said"], inline=["said"])
    words = Records.from_manifest(path, ["pic"], inline=["pic"])
    with pytest.raises(DataError, match="row 1, field 'pic'"):  # as of any items that do not fit
        words.table({"pic": Dots(size=3)})


def test_missing_manifest_column_and_domain(tmp_path):
    with pytest.raises(DataError, match="no such manifest"):
        Records.from_manifest(tmp_path / "none.csv")
    files(tmp_path, "1.json")
    path = manifest(tmp_path, "a\n1.json\n")
    with pytest.raises(DataError, match="no column 'b'; the columns are a"):
        Records.from_manifest(path, ["a", "b"])
    with pytest.raises(DataError, match="hold no domain 'b'; they hold a"):
        Records.from_manifest(path).table({"b": Dots(size=3)})


def test_an_unreadable_file_is_named_with_its_row(tmp_path):
    files(tmp_path, "1.json")
    (tmp_path / "2.json").write_text("{")
    path = manifest(tmp_path, "a\n1.json\n2.json\n")
    with pytest.raises(DataError, match=r"row 2, field 'a': .*2\.json"):
        Records.from_manifest(path).table({"a": Dots(size=3)})


def test_a_streamed_file_that_is_bad_is_named_with_its_row(tmp_path):
    files(tmp_path, "1.json")
    (tmp_path / "2.json").write_text("{")
    records = Records.from_manifest(manifest(tmp_path, "a\n1.json\n2.json\n"))
    feed = records.table({"a": Dots(size=3)}, stream=True).feed([Draw("d", ("a",), 2)], seed=0)
    with pytest.raises(DataError, match=r"row 2, field 'a': .*2\.json"):
        next(feed)


def test_a_bad_item_is_named_with_its_row():
    records = Records.from_arrays({"a": [*dots(3), torch.full((3,), float("nan"))]})
    with pytest.raises(DataError, match="row 4, field 'a'"):
        records.table({"a": Dots(size=3)})


def test_folders_name_classes_and_pairs(tmp_path):
    files(tmp_path / "a", "x/1.json", "y/2.json")
    files(tmp_path / "b", "x/1.json")
    records = Records.from_folders({"a": tmp_path / "a", "b": tmp_path / "b"}, paired=True)
    assert records.classes() == ("x", "y")
    assert len(records) == 2
    assert len(Records.from_folders({"a": tmp_path / "a", "b": tmp_path / "b"})) == 3
    hidden = tmp_path / ".cache" / "c"
    files(hidden, "x/1.json")
    assert len(Records.from_folders({"c": hidden})) == 1  # only what is hidden within is left out
    files(tmp_path / "twice", "1.json", "1.txt")
    with pytest.raises(DataError, match=r"1\.json and .*1\.txt are of one name"):
        Records.from_folders({"a": tmp_path / "twice"}, paired=True)
    with pytest.raises(DataError, match="no such folder"):
        Records.from_folders({"a": tmp_path / "none"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no files"):
        Records.from_folders({"a": tmp_path / "empty"})


def test_linked_folders_are_classes_and_links_upwards_are_left(tmp_path, monkeypatch):
    for name in ("all/a", "all/b", "linked"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "one.txt").write_text(name)
    (tmp_path / "all" / "c").symlink_to(tmp_path / "linked")
    (tmp_path / "all" / "up").symlink_to(tmp_path)
    (tmp_path / "linked" / "round").symlink_to(tmp_path / "all")
    monkeypatch.chdir(tmp_path)
    for root in (tmp_path / "all", "all"):
        records = Records.from_folders({"texts": root})
        assert sorted(records.labels) == ["a", "b", "c"]


def test_sources_without_domains_and_domains_that_are_one_text(tmp_path):
    with pytest.raises(DataError, match="at least one domain"):
        Records.from_folders({})
    (tmp_path / "one.csv").write_text("pics\none.csv\n")
    with pytest.raises(DataError, match=r"domains come in a list: give \[item\], not one str"):
        Records.from_manifest(tmp_path / "one.csv", "pics")


def test_labels_must_be_among_the_classes():
    records = Records.from_arrays({"a": dots(2)}, ["x", "z"])
    with pytest.raises(DataError, match="row 2, field 'label': 'z' is none of the classes x, y"):
        records.table({"a": Dots(size=3)}, ["x", "y"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({},), "at least one domain"),
        (({"a": []},), "'a' has no items"),
        (({"a": dots(2), "b": dots(2)}, [0, 1]), "unpaired domains take labels as"),
        (({"a": dots(2)}, {"b": [0]}), "given for 'b'"),
        (({"a": dots(2)}, {"a": [0]}), "2 items and 1 labels"),
        (({"a": dots(2)}, [0]), "2 rows need as many labels"),
        (({"a": dots(2)}, torch.eye(2)), r"not an array of shape \(2,\)"),
    ],
)
def test_bad_arrays(arguments, message):
    with pytest.raises(DataError, match=message):
        Records.from_arrays(*arguments)
    with pytest.raises(DataError, match="same number of items"):
        Records.from_arrays({"a": dots(2), "b": dots(3)}, paired=True)
    with pytest.raises(DataError, match="one sequence of labels"):
        Records.from_arrays({"a": dots(2)}, {"a": [0, 1]}, paired=True)


@given(groups=st.lists(st.integers(0, 4), min_size=6, max_size=30), seed=st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_a_split_keeps_groups_whole_and_loses_no_row(groups, seed):
    records = Records.from_arrays({"a": dots(len(groups))}, groups=groups)
    if len(set(groups)) < 2:
        with pytest.raises(DataError, match="leaves one part"):
            records.split(0.3, seed=seed)
        return
    try:
        train, test = records.split(0.3, seed=seed)
    except DataError as error:
        assert "leaves one part" in str(error)
        return
    assert len(train) + len(test) == len(records)
    assert not set(train.groups) & set(test.groups)


@pytest.mark.parametrize("test", ["x", None, float("nan")])
def test_a_share_that_is_no_number_is_refused(test):
    with pytest.raises(SettingError, match="split: test must be a number, not"):
        Records.from_arrays({"a": dots(3)}).split(test)


def test_streamed_files_give_the_same_batches(tmp_path):
    for i in range(5):
        (tmp_path / f"{i}.json").write_text(json.dumps([i / 10] * 3))
    path = manifest(tmp_path, "a\n" + "".join(f"{i}.json\n" for i in range(5)))
    records, draw = Records.from_manifest(path), Draw("d", ("a",), 2)
    modalities = {"a": Dots(size=3)}
    memory = records.table(modalities).feed([draw], seed=1, start=2)
    stream = records.table(modalities, stream=True).feed([draw], seed=1, start=2)
    for _ in range(4):
        x, y = next(memory)["d"], next(stream)["d"]
        assert torch.equal(x.signals["a"].values, y.signals["a"].values)


def test_unpaired_records_keep_a_share_whole_and_every_item():
    a, b, c = dots(10), dots(10, 20), dots(10, 40)
    records = Records.from_arrays({"a": a, "b": b, "c": c}, list(range(10)), paired=True)
    parted = records.unpair(0.3, seed=1)
    assert len(parted) == 3 + 3 * 7
    table = parted.table({d: Dots(size=3) for d in "abc"})
    rows = {d: table.column(d).rows.tolist() for d in "abc"}
    shared = set(rows["a"]) & set(rows["b"])
    assert len(shared) == 3 and shared == set(rows["a"]) & set(rows["c"])
    for start, domain in zip((0, 20, 40), "abc", strict=True):
        column = table.column(domain)
        assert rows[domain] == sorted(rows[domain])
        # an item's value says which row it was in, and so its label
        was = (column.signal.values[:, 0] * 100).round().long() - start
        assert column.labels.tolist() == was.tolist() and sorted(was.tolist()) == list(range(10))
        if domain != "a":
            first = dict(zip(rows["a"], was_of(table), strict=True))
            own = dict(zip(rows[domain], was.tolist(), strict=True))
            assert all(first[row] == own[row] for row in shared)
    assert records.unpair(1.0).columns["b"].rows.tolist() == list(range(10))
    assert set(records.unpair(0.3, seed=2).columns["b"].rows.tolist()) != set(rows["b"])


def was_of(table):
    return (table.column("a").signal.values[:, 0] * 100).round().long().tolist()


def test_unpairing_leaves_items_alone_that_were_alone_and_wants_a_share():
    records = Records.from_arrays({"a": dots(3), "b": dots(2)})
    assert records.unpair(0.0).columns["b"].rows.tolist() == [3, 4]
    with pytest.raises(SettingError, match="unpair: keep must be"):
        records.unpair(1.5)


@pytest.mark.parametrize("rows", [[2], [-1], [True, False], ["0"], torch.tensor([True, False])])
def test_rows_that_are_not_there_are_refused(rows):
    records = Records.from_arrays({"a": dots(2)}, ["x", "y"])
    with pytest.raises(DataError, match="rows are whole numbers from 0 to 1, not"):
        records.select(rows)


@pytest.mark.parametrize("rows", [[1, 0, 1], torch.tensor([1, 0, 0]), np.array([0, 1])])
def test_rows_come_once_and_in_order(rows):
    chosen = Records.from_arrays({"a": dots(3)}, ["x", "y", "z"]).select(rows)
    assert chosen.labels == ("x", "y") and len(chosen.columns["a"].items) == 2


class Series:
    """As pandas has them: ``[i]`` is the item called i, iteration goes by place."""

    iloc = None

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)

    def __getitem__(self, name):
        raise KeyError(name)


def test_tables_with_names_for_rows_are_taken_by_place():
    records = Records.from_arrays({"a": Series(dots(3))}, Series(["x", float("nan"), "z"]))
    assert records.labels == ("x", None, "z")
    assert len(records.select([0, 2]).columns["a"].items) == 2


def test_tables_of_numbers_are_taken_by_row():
    class Frame(Series):
        values = np.arange(6.0).reshape(3, 2)

    records = Records.from_arrays({"a": Frame(["x", "y", "z"])})
    assert [list(item) for item in records.columns["a"].items] == [[0, 1], [2, 3], [4, 5]]


def test_classes_have_one_order():
    assert Records.from_arrays({"a": dots(4)}, ["7", "007", "01", "1"]).classes() == (
        "01", "1", "007", "7",
    )  # fmt: skip


def test_records_are_shown_in_a_line_whatever_they_hold():
    records = Records.from_arrays({"a": dots(300), "b": dots(2)}, labels={"b": [1, 0]})
    assert repr(records) == "Records(302 rows, 2 classes; items: 300 of 'a', 2 of 'b')"
