"""Figures of retrieval against scikit-learn, SciPy, enumeration and hand-made cases."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from torch import Tensor

from transmodal.core.errors import DataError, SettingError
from transmodal.core.evaluation import ranking
from transmodal.core.evaluation.ranking import Ranking
from transmodal.core.evaluation.retrieval import (
    _standardised,
    difference,
    evaluate_retrieval,
    interval,
)


def draw(q: int, m: int, seed: int, step: float | None = None) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    scores, relevant = torch.randn(q, m, generator=g), torch.rand(q, m, generator=g) < 0.3
    relevant[:, 0] = True
    return (scores if step is None else (scores / step).round() * step), relevant


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 60), st.integers(0, 999), st.sampled_from([None, 0.5, 9]))
def test_average_precision_is_scikit_learns_also_with_ties(
    q: int, m: int, seed: int, step: float | None
) -> None:
    scores, relevant = draw(q, m, seed, step)
    ours = Ranking.of(scores, relevant).average_precision()
    theirs = [average_precision_score(r, s) for r, s in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_ties_do_not_depend_on_the_order_of_items() -> None:
    scores, relevant = draw(5, 40, 1, step=1.0)
    order = torch.randperm(40)
    one, other = Ranking.of(scores, relevant), Ranking.of(scores[:, order], relevant[:, order])
    np.testing.assert_array_equal(one.average_precision(), other.average_precision())
    np.testing.assert_array_equal(one.recall(7), other.recall(7))
    # All equal: every rank is the last one, so precision is the share of relevant items.
    flat = Ranking.of(torch.zeros(5, 40), relevant)
    np.testing.assert_allclose(flat.average_precision(), relevant.double().mean(1), atol=1e-7)
    assert not flat.hit(39).any() and flat.hit(40).all()


def by_hand(order: list[bool], k: int) -> tuple[float, float, float]:
    """AP@k, recall@k and hit@k of relevance in order of rank."""
    first, total = order[:k], sum(order)
    sums = [sum(order[: i + 1]) / (i + 1) for i in range(len(first)) if order[i]]
    return sum(sums) / min(k, total), sum(first) / total, float(any(first))


@pytest.mark.parametrize("k", [1, 2, 5, 30, 99])
def test_figures_of_the_first_k(k: int) -> None:
    scores, relevant = draw(6, 30, 2)
    made = Ranking.of(scores, relevant)
    orders = relevant.gather(1, scores.argsort(dim=1, descending=True)).tolist()
    wanted = np.array([by_hand(order, k) for order in orders]).T
    for found, want in zip(
        (made.average_precision(k), made.recall(k), made.hit(k)), wanted, strict=True
    ):
        np.testing.assert_allclose(found, want, atol=1e-7)


@pytest.mark.parametrize("points", [2, 11, 101])
def test_the_curve_is_the_highest_precision_from_a_recall_on(points: int) -> None:
    scores, relevant = draw(7, 25, 3)
    orders = relevant.gather(1, scores.argsort(dim=1, descending=True)).numpy()
    wanted = np.zeros(points)
    for order in orders:
        hits = order.cumsum()
        precision = hits / np.arange(1, 26)
        for j in range(points):
            wanted[j] += precision[hits * (points - 1) >= j * order.sum()].max() / len(orders)
    np.testing.assert_allclose(Ranking.of(scores, relevant).curve(points), wanted, atol=1e-7)


@pytest.mark.parametrize(("n", "r"), [(1, 1), (4, 1), (5, 2), (5, 5), (6, 3)])
def test_chance_is_the_mean_over_all_orders(n: int, r: int) -> None:
    relevant = torch.arange(n) < r
    orders = torch.tensor(list(permutations(range(n)))).float()
    every = Ranking.of(orders, relevant.expand(len(orders), -1))
    assert every.average_precision().mean() == pytest.approx(every.chance()[0], abs=1e-7)
    assert np.ptp(every.chance()) == 0


def vectors(seed: int, n: int = 30) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    g = torch.Generator().manual_seed(seed)
    labels = {d: torch.arange(n + i) % 4 for i, d in enumerate("ab")}
    found = {
        d: torch.eye(4)[y] @ torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
        + torch.randn(len(y), 5, generator=g)
        for d, y in labels.items()
    }
    return found, labels


@pytest.mark.parametrize("form", ["plain", "standardised"])
def test_every_direction_by_a_loop(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "SCORES", 200)
    found, labels = vectors(4)
    made = evaluate_retrieval(found, labels, form)  # type: ignore[arg-type]
    assert sorted(made) == ["a->all", "a->b", "b->a", "b->all"]
    read = {d: x.double().numpy() for d, x in found.items()}
    if form == "standardised":
        read = {d: (x - x.mean(0)) / x.std(0) for d, x in read.items()}
    for key, direction in made.items():
        source, target = key.split("->")
        domains = ["a", "b"] if target == "all" else [target]
        wanted = []
        for i, query in enumerate(read[source]):
            scores, relevant = [], []
            for domain in domains:
                for j, item in enumerate(read[domain]):
                    if domain != source or j != i:
                        scores.append(query @ item / np.linalg.norm(query) / np.linalg.norm(item))
                        relevant.append(bool(labels[domain][j] == labels[source][i]))
            wanted.append(average_precision_score(relevant, scores))
        np.testing.assert_allclose(direction.ranking.average_precision(), wanted, atol=1e-6)
        assert direction.map == pytest.approx(np.mean(wanted), abs=1e-6)
        n = sum(len(labels[d]) for d in domains) - (target == "all")
        assert set(direction.ranking.items.tolist()) == {n}
        assert direction.chance < 0.35 < direction.map


def test_a_dimension_that_never_varies_says_nothing() -> None:
    found, labels = vectors(5)
    more = {d: torch.cat([x, torch.full((len(x), 1), 3.0)], 1) for d, x in found.items()}
    one = evaluate_retrieval(found, labels, "standardised")
    other = evaluate_retrieval(more, labels, "standardised")
    assert [d.map for d in one.values()] == [d.map for d in other.values()]


def test_the_table_of_classes_adds_up() -> None:
    found, labels = vectors(6)
    direction = evaluate_retrieval(found, labels)["a->b"]
    table = direction.per_class(["w", "x", "y", "z", "nobody"])
    assert [(name, row[0]) for name, row in table.items()] == [
        ("w", 8), ("x", 8), ("y", 7), ("z", 7),
    ]  # fmt: skip
    for column, mean in ((1, direction.map), (2, direction.chance)):
        assert sum(row[0] * row[column] for row in table.values()) / 30 == pytest.approx(mean)


def test_intervals_are_scipys() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(0).beta(2, 5, 80)
    ours = interval(values, draws=9999)
    theirs = bootstrap((values,), np.mean, method="percentile", rng=1).confidence_interval
    # Both are draws; their ends vary by about 1 % of the width.
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)
    assert ours.mean == values.mean() and interval(values) == interval(values)
    assert interval(values, seed=1) != interval(values)
    narrow = interval(values, level=0.5)
    assert ours.low < narrow.low < narrow.high < ours.high


def test_a_paired_difference_is_sure_where_each_alone_is_not() -> None:
    values = np.random.default_rng(0).random(60)
    better = values + 0.01
    assert difference({"a->b": better}, {"a->b": values}).low == pytest.approx(0.01)
    assert interval(better).low < interval(values).high
    with pytest.raises(DataError, match="{'a->b': 60} values and {'a->b': 59} are not of the same"):
        difference({"a->b": better}, {"a->b": values[1:]})


def test_parts_weigh_alike_and_are_resampled_by_themselves() -> None:
    few, many = np.random.default_rng(0).random(20), np.full(500, 0.9)
    found, alone = interval(few, many), interval(few)
    assert found.mean == pytest.approx((few.mean() + 0.9) / 2)
    # what never varies halves the other's interval, however many there are of it
    assert found.high - found.low == pytest.approx((alone.high - alone.low) / 2)


def test_the_direction_knows_its_interval() -> None:
    found, labels = vectors(7)
    direction = evaluate_retrieval(found, labels)["b->all"]
    assert direction.interval().low < direction.map < direction.interval().high


def test_refuses_what_cannot_be_measured() -> None:
    found, labels = vectors(8)
    x, y = found["a"], labels["a"]
    with pytest.raises(DataError, match="query 2 has no relevant item, so nothing is to be found"):
        Ranking.of(torch.randn(3, 4), torch.tensor([[True] * 4] * 2 + [[False] * 4]))
    lonely = y.clone()
    lonely[5] = 9
    with pytest.raises(DataError, match="query 5, of class 9, has no relevant item; leave it out"):
        Ranking.by_cosine(x, x, lonely, y)
    with pytest.raises(DataError, match="query 5, of class 9, has no relevant item; leave it out"):
        Ranking.by_cosine(x, x, lonely, lonely, torch.arange(len(x)))
    with pytest.raises(
        DataError, match=r"queries \[30, 5\] and items \[30, 4\] cannot be compared"
    ):
        Ranking.by_cosine(x, x[:, 1:], y, y)
    with pytest.raises(
        DataError, match="30 queries and 30 items need as many labels, not 30 and 2"
    ):
        Ranking.by_cosine(x, x, y, y[:2])
    for value in (0.0, torch.nan):
        with pytest.raises(DataError, match="item 3 is a vector that is all zero or not finite"):
            Ranking.by_cosine(x, x.index_fill(0, torch.tensor([3]), value), y, y)
    with pytest.raises(DataError, match="nothing is asked: there are no queries"):
        Ranking.by_cosine(x[:0], x, y[:0], y)
    with pytest.raises(DataError, match="vectors are of a, b, labels of a"):
        evaluate_retrieval(found, {"a": y})
    with pytest.raises(SettingError, match="evaluate_retrieval: form"):
        evaluate_retrieval(found, labels, "odd")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="an interval needs values, and there are none"):
        interval(np.ones(2), np.zeros(0))
    with pytest.raises(SettingError, match="interval: level must be a number >= 0 <= 1, not 95"):
        interval(np.ones(3), level=95)
    with pytest.raises(SettingError, match="interval: draws must be a whole number >= 1, not 0"):
        interval(np.ones(3), draws=0)
    made = Ranking.of(*draw(2, 5, 9))
    with pytest.raises(SettingError, match="ranking: k must be a whole number >= 1, not 0"):
        made.recall(0)
    with pytest.raises(SettingError, match="curve: points must be a whole number >= 2, not 1"):
        made.curve(1)


def test_items_without_a_class_are_refused() -> None:
    found = {"a": torch.eye(3), "b": torch.eye(3)}
    labels = {"a": torch.tensor([0, 1, 1]), "b": torch.tensor([0, -1, 1])}
    with pytest.raises(DataError, match="b has items without a class; leave them out"):
        evaluate_retrieval(found, labels)


@pytest.mark.parametrize(("value", "n"), [(0.1, 3), (0.1, 6), (0.7, 7)])
def test_a_number_that_never_varies_says_nothing(value: float, n: int) -> None:
    vectors = torch.stack([torch.full((n,), value), torch.arange(n)], 1).double()
    made = _standardised(vectors)
    assert made[:, 0].tolist() == [0] * n
    assert made[:, 1].std(correction=0) == pytest.approx(1)
