"""Draws: what each kind promises, for any sizes, and that the k-th answer depends on k alone."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transmodal.core.errors import DataError, SettingError, UnknownNameError
from transmodal.core.signal import Signal
from transmodal.core.stage import UNLABELLED, Draw
from transmodal.core.table import Memory, Table


def table(labels_a, labels_b, rows_b=None):
    """Two columns whose values are their item numbers."""
    a = torch.tensor(labels_a)
    b = torch.tensor(labels_b)
    rows = torch.arange(len(a), len(a) + len(b)) if rows_b is None else torch.tensor(rows_b)
    return Table(
        {
            "a": Memory(Signal(torch.arange(float(len(a)))[:, None]), a),
            "b": Memory(Signal(torch.arange(float(len(b)))[:, None]), b, rows),
        },
        ("zero", "one", "two"),
    )


def take(table, draw, n, **kw):
    return [answer[draw.name] for answer in itertools.islice(table.feed([draw], seed=3, **kw), n)]


@given(n=st.integers(1, 40), size=st.integers(1, 17), start=st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_the_kth_answer_does_not_depend_on_where_the_feed_began(n, size, start):
    t = table([0] * n, [1] * 3)
    draw = Draw("x", ("a", "b"), size)
    whole = take(t, draw, start + 3)
    resumed = take(t, draw, 3, start=start)
    for x, y in zip(whole[start:], resumed, strict=True):
        for domain in ("a", "b"):
            assert torch.equal(x.signals[domain].values, y.signals[domain].values)


def test_an_epoch_draws_no_item_twice():
    t = table([0] * 12, [1])
    seen = torch.cat([b.rows["a"] for b in take(t, Draw("x", ("a",), 4), 3)])
    assert sorted(seen.tolist()) == list(range(12))
    again = torch.cat([b.rows["a"] for b in take(t, Draw("x", ("a",), 4), 3, start=3)])
    assert sorted(again.tolist()) == list(range(12))
    assert seen.tolist() != again.tolist()


@given(
    counts=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    size=st.integers(3, 20),
)
@settings(max_examples=40, deadline=None)
def test_balanced_draws_hold_every_class_equally_often(counts, size):
    labels = [c for c, n in enumerate(counts) for _ in range(n)] + [UNLABELLED] * 4
    t = table(labels, [0])
    total = torch.zeros(3)
    for batch in take(t, Draw("x", ("a",), size, balanced=True), 3):
        assert len(batch.labels["a"]) == size
        here = torch.bincount(batch.labels["a"], minlength=3)
        assert here.max() - here.min() <= 1
        total += here
    assert total.max() == total.min()  # over as many steps as classes, surplus slots even out


def test_paired_draws_keep_rows_together():
    t = table([0] * 6, [0] * 4, rows_b=[1, 3, 5, 9])
    for batch in take(t, Draw("x", ("a", "b"), 3, kind="paired"), 5):
        assert torch.equal(batch.rows["a"], batch.rows["b"])
        assert set(batch.rows["a"].tolist()) <= {1, 3, 5}


def test_aligned_draws_match_classes_and_mismatched_never_do():
    t = table([0, 1, 2, 0, 1, 2, UNLABELLED], [2, 1, 0, 0])
    aligned = Draw("x", ("a", "b"), 7, kind="aligned")
    for batch in take(t, aligned, 8):
        assert torch.equal(batch.labels["a"], batch.labels["b"])
    pairs = set()
    for batch in take(t, Draw("x", ("a", "b"), 7, kind="mismatched"), 30):
        assert not (batch.labels["a"] == batch.labels["b"]).any()
        pairs |= set(zip(batch.labels["a"].tolist(), batch.labels["b"].tolist(), strict=True))
    assert len(pairs) == 6  # every pair of different classes turns up


def test_shares_of_the_processes_make_up_one_batch():
    t = table([0, 1, 2] * 5, [0])
    draw = Draw("x", ("a",), 3, balanced=True)
    one = t.feed([Draw("x", ("a",), 6, balanced=True)], seed=3)
    two = [t.feed([draw], seed=3, rank=rank, world=2) for rank in (0, 1)]
    for step in range(4):
        shares = [next(feed)["x"].rows["a"] for feed in two]
        whole = torch.cat(shares if step % 2 == 0 else shares[::-1])
        assert torch.equal(whole, next(one)["x"].rows["a"])


@pytest.mark.parametrize("classes", [2, 4, 6])
@pytest.mark.parametrize("size", [2, 4])
def test_every_process_meets_every_class(classes, size):
    """Were a batch dealt out slot by slot, each of two processes would have half of them."""
    t = table([i % classes for i in range(48)], [0])
    for rank in (0, 1):
        feed = t.feed([Draw("x", ("a",), size, balanced=True)], seed=3, rank=rank, world=2)
        batches = [next(feed)["x"].labels["a"].tolist() for _ in range(8)]
        assert all(len(set(batch)) == min(size, classes) for batch in batches)
        assert {label for batch in batches for label in batch} == set(range(classes))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (Draw("x", ("a",), 2, labelled=True), "none has a label"),
        (Draw("x", ("a", "b"), 2, kind="paired"), "rows that hold all of a, b"),
        (Draw("x", ("a", "b"), 2, kind="aligned"), "none has a label"),
    ],
)
def test_draws_that_the_table_cannot_answer(draw, message):
    t = table([UNLABELLED] * 3, [0, 1])
    with pytest.raises(DataError, match=message):
        next(t.feed([draw], seed=0))


def test_too_few_shared_classes_for_a_mismatch():
    with pytest.raises(DataError, match="wants 2 or more classes"):
        next(table([0, 0], [0]).feed([Draw("x", ("a", "b"), 2, kind="mismatched")], seed=0))


def test_bad_draws_are_refused_at_construction():
    with pytest.raises(SettingError, match="size must be a whole number >= 1"):
        Draw("x", ("a",), 0)
    with pytest.raises(SettingError, match="kind must be one of"):
        Draw("x", ("a",), 1, kind="random")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="names no domain"):
        Draw("x", (), 1)
    with pytest.raises(UnknownNameError, match="no domain 'c'"):
        next(table([0], [0]).feed([Draw("x", ("c",), 1)], seed=0))
