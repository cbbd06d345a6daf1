import json

import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor

from transmodal.core import Signal
from transmodal.core.errors import DataError
from transmodal.core.evaluation.transfer import (
    Evaluation,
    count_transfer,
    evaluate_transfer,
    wilson,
)

CLASSES = ("zero", "one", "two")


class Reads:
    """A judge that reads the class out of the first number of an item."""

    def __init__(self, misread: dict[int, int] | None = None) -> None:
        self.misread = misread or {}

    def features(self, signal: Signal) -> Tensor:
        return signal.values

    def decide(self, features: Tensor) -> Tensor:
        classes = features[:, 0].long()
        return torch.tensor([self.misread.get(int(c), int(c)) for c in classes])


def items(classes: list[int], seed: int = 0) -> Signal:
    noise = torch.randn(len(classes), 2, generator=torch.Generator().manual_seed(seed))
    return Signal(torch.cat([torch.tensor(classes)[:, None].float(), noise], 1))


def keep(signal: Signal, *, source: str, target: str) -> Signal:
    return signal


def test_both_ways_of_counting_by_hand() -> None:
    true = torch.tensor([0, 0, 1, 1, 2, -1])
    read = torch.tensor([0, 1, 1, 1, 0, 2])  # by the source's judge
    predicted = torch.tensor([0, 1, 1, 0, 2, 2])  # by the target's
    found = count_transfer("a", "b", true=true, read=read, predicted=predicted, classes=3)
    assert (found.n, found.agreement_n) == (5, 6)  # the unlabelled item has no true class
    assert found.accuracy == pytest.approx(3 / 5)  # items 0, 2, 4
    assert found.agreement == pytest.approx(4 / 6)  # items 0, 1, 2, 5
    assert found.confusion == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert found.per_class == [0.5, 0.5, 1.0]
    assert found.chance == pytest.approx(1 / 3)
    assert found.majority == pytest.approx(2 / 5)


def test_a_class_without_items_has_no_accuracy() -> None:
    labels = torch.tensor([0, 0, 2])
    found = count_transfer("a", "b", true=labels, read=labels, predicted=labels, classes=3)
    assert found.per_class == [1.0, None, 1.0]


def test_every_ordered_pair_is_counted() -> None:
    signals = {"a": items([0, 1, 2, 2]), "b": items([0, 1, 1]), "c": items([2, 2, 0, 1, 1])}
    labels = {name: signal.values[:, 0].long() for name, signal in signals.items()}
    calls = []

    def turn(signal: Signal, *, source: str, target: str) -> Signal:
        calls.append((source, target, len(signal)))
        values = signal.values.clone()
        if source != target:
            values[:, 0] = (values[:, 0] + 1) % 3
        return Signal(values)

    judges = {name: Reads() for name in signals}
    found = evaluate_transfer(turn, signals, labels, judges, CLASSES, batch=2)
    assert found.matrix() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert found.matrix("n") == [[4, 4, 4], [3, 3, 3], [5, 5, 5]]
    assert found.judges == {"a": 1.0, "b": 1.0, "c": 1.0}
    assert found.between("a", "b").confusion == [[0, 1, 0], [0, 0, 1], [2, 0, 0]]
    assert max(size for _, _, size in calls) == 2
    assert [size for s, t, size in calls if (s, t) == ("c", "a")] == [2, 2, 1]


def test_a_wrong_judge_of_the_source_changes_agreement_and_not_accuracy() -> None:
    signals = {"a": items([0, 1, 2, 2]), "b": items([0, 1])}
    labels = {name: signal.values[:, 0].long() for name, signal in signals.items()}
    judges = {"a": Reads({2: 1}), "b": Reads()}
    found = evaluate_transfer(keep, signals, labels, judges, CLASSES)
    there = found.between("a", "b")
    assert (there.accuracy, there.agreement) == (1.0, 0.5)
    assert found.judges["a"] == 0.5
    assert found.between("a", "a").accuracy == 0.5
    assert found.between("a", "a").agreement == 1.0


def test_agreement_reads_the_source_as_seen() -> None:
    signals = {"a": items([0, 1, 2, 2])}
    labels = {"a": torch.tensor([0, 1, 2, 2])}

    def seen(signal: Signal, domain: str) -> Signal:
        assert domain == "a"
        return Signal(torch.zeros_like(signal.values))

    found = evaluate_transfer(keep, signals, labels, {"a": Reads()}, CLASSES, seen=seen, batch=3)
    assert found.between("a", "a").agreement == 0.25  # all sources are seen as zero
    assert found.between("a", "a").accuracy == 1.0
    assert found.judges["a"] == 1.0  # on the real items, not on what is seen


def test_frechet_of_made_items_against_real_ones_of_the_target() -> None:
    signals = {"a": items([0, 1] * 200, seed=1), "b": items([0, 1] * 200, seed=2)}
    labels = {name: signal.values[:, 0].long() for name, signal in signals.items()}
    judges = {name: Reads() for name in signals}

    def shift(signal: Signal, *, source: str, target: str) -> Signal:
        move = torch.tensor([0.0, 2.0, 0.0]) * (source != target)
        return Signal(signal.values + move)

    found = evaluate_transfer(shift, signals, labels, judges, CLASSES)
    assert found.between("a", "b").frechet == pytest.approx(4, abs=0.5)  # the shift squared
    assert found.between("b", "b").frechet == pytest.approx(0, abs=1e-9)
    floor = found.between("a", "b").frechet_floor
    assert floor is not None and 0 < floor < 0.1
    assert floor == found.between("b", "b").frechet_floor


def test_too_few_items_leave_the_frechet_distance_out() -> None:
    signals = {"a": items([0, 1]), "b": items([0, 1, 2, 0])}
    labels = {name: signal.values[:, 0].long() for name, signal in signals.items()}
    found = evaluate_transfer(keep, signals, labels, {"a": Reads(), "b": Reads()}, CLASSES)
    assert found.matrix("frechet") == [[None, None], [None, pytest.approx(0, abs=1e-9)]]
    assert found.between("b", "b").frechet_floor is None


def test_an_evaluation_is_ready_for_json() -> None:
    signals = {"a": items([0, 1, 2, 2])}
    labels = {"a": torch.tensor([0, 1, 2, 2])}
    found = evaluate_transfer(keep, signals, labels, {"a": Reads()}, CLASSES).as_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["transfers"][0]["interval"][1] == pytest.approx(1)


@pytest.mark.parametrize(("right", "n"), [(0, 10), (3, 10), (10, 10), (941, 1000), (1, 1)])
def test_intervals_match_those_of_scipy(right: int, n: int) -> None:
    expected = binomtest(right, n).proportion_ci(0.95, method="wilson")
    low, high = wilson(right, n)
    # the normal quantile 1.959964 is rounded to seven digits
    assert (low, high) == (pytest.approx(expected.low, abs=1e-7), pytest.approx(expected.high))


@pytest.mark.parametrize(("right", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_an_impossible_share_has_no_interval(right: int, n: int) -> None:
    with pytest.raises(DataError, match=f"an interval of {right} right out of {n} cannot be"):
        wilson(right, n)


def test_what_cannot_be_evaluated_is_named() -> None:
    signals = {"a": items([0, 1])}
    labels = {"a": torch.tensor([0, 1])}
    judges = {"a": Reads()}
    with pytest.raises(DataError, match=r"domain 'a' has no labels .* given for b"):
        evaluate_transfer(keep, signals, {"b": labels["a"]}, judges, CLASSES)
    with pytest.raises(DataError, match=r"domain 'a' has no judge .* given for none"):
        evaluate_transfer(keep, signals, labels, {}, CLASSES)
    with pytest.raises(DataError, match=r"2 items, and labels of shape \[3\]"):
        evaluate_transfer(keep, signals, {"a": torch.zeros(3)}, judges, CLASSES)
    with pytest.raises(DataError, match="no labelled test item"):
        evaluate_transfer(keep, signals, {"a": torch.tensor([-1, -1])}, judges, CLASSES)
    with pytest.raises(DataError, match="run from 0 to 3, but there are 3 classes"):
        evaluate_transfer(keep, signals, {"a": torch.tensor([0, 3])}, judges, CLASSES)


def test_a_pair_that_was_not_evaluated_is_named() -> None:
    found = evaluate_transfer(
        keep, {"a": items([0])}, {"a": torch.tensor([0])}, {"a": Reads()}, CLASSES
    )
    assert isinstance(found, Evaluation)
    with pytest.raises(DataError, match="no transfer a -> c was evaluated, only a -> a"):
        found.between("a", "c")
