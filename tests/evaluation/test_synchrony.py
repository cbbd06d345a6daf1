import json
import math
from collections.abc import Mapping, Sequence

import pytest
import torch
from scipy.stats import binomtest
from scipy.stats import entropy as scipy_entropy
from torch import Tensor

from transmodal.core import Memory, Signal, Translator
from transmodal.core.errors import DataError, SettingError, UnsupportedError
from transmodal.core.evaluation.frechet import frechet_distance
from transmodal.core.evaluation.judge import Judge
from transmodal.core.evaluation.sampling import joint_samples
from transmodal.core.evaluation.synchrony import count_pair, entropy, evaluate_synchrony

from toys import Dots, Swap, table

CLASSES = ("zero", "one", "two")


class Reads:
    """A judge that reads the class out of the first number of an item."""

    def features(self, signal: Signal) -> Tensor:
        return signal.values

    def decide(self, features: Tensor) -> Tensor:
        return features[:, 0].round().long()


class Draws:
    """Samples of every domain in one class, turned to the next in a share of those of "b"."""

    def __init__(self, slip: float = 0.0, broken: float | None = None) -> None:
        self.slip, self.broken = slip, broken
        self.sizes: list[int] = []

    def sample(self, n: int, domains: Sequence[str]) -> Mapping[str, Signal]:
        self.sizes.append(n)
        classes = torch.randint(0, 3, (n,))
        slips = torch.rand(n) < self.slip
        made = {}
        for domain in domains:
            shown = (classes + slips) % 3 if domain == "b" else classes
            values = torch.cat([shown[:, None].float(), torch.randn(n, 2)], 1)
            if self.broken is not None:
                values[0, 1] = self.broken
            made[domain] = Signal(values)
        return made


JUDGES = {"a": Reads(), "b": Reads()}


def test_a_pair_by_hand() -> None:
    one, other = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 1, 1, 2, 2, 0])
    found = count_pair("a", "b", one, other, 3)
    assert (found.n, found.rate) == (6, pytest.approx(4 / 6))
    assert found.chance == pytest.approx(2 / 6 * 2 / 6 + 1 / 6 * 2 / 6 + 3 / 6 * 2 / 6)
    assert found.chance == pytest.approx(float((one[:, None] == other).double().mean()))
    assert found.uniform == pytest.approx(1 / 3)
    assert found.interval == pytest.approx(tuple(binomtest(4, 6).proportion_ci(method="wilson")))


def test_chance_is_one_where_both_collapse_to_one_class() -> None:
    ones = torch.ones(50, dtype=torch.long)
    assert (count_pair("a", "b", ones, ones, 10).rate, entropy([0, 50])) == (1, 0)
    assert count_pair("a", "b", ones, ones, 10).chance == 1


@pytest.mark.parametrize("counts", [[5, 5], [1, 2, 3], [0, 7, 0, 1], [10, 0]])
def test_entropy_matches_that_of_scipy(counts: list[int]) -> None:
    assert entropy(counts) == pytest.approx(scipy_entropy(counts) / math.log(len(counts)))


def test_a_rate_of_known_slips() -> None:
    found = evaluate_synchrony(Draws(slip=0.25), JUDGES, CLASSES, n=4000, seed=1)
    pair = found.between("b", "a")
    assert (pair.first, pair.second, pair.n) == ("a", "b", 4000)
    assert pair.rate == pytest.approx(0.75, abs=0.03)  # 4 standard deviations
    assert pair.chance == pytest.approx(1 / 3, abs=0.01)
    for domain in "ab":
        spread = found.spread(domain)
        assert sum(spread.counts) == 4000
        assert spread.entropy == pytest.approx(1, abs=0.001)
        assert (spread.accuracy, spread.frechet, spread.frechet_floor) == (None, None, None)


def test_all_pairs_of_three_domains_are_of_the_same_samples() -> None:
    judges = {name: Reads() for name in "abc"}
    found = evaluate_synchrony(Draws(slip=0.5), judges, CLASSES, n=100)
    assert [(p.first, p.second) for p in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found.between("a", "c").rate == 1
    assert found.between("a", "b").rate == found.between("b", "c").rate < 0.8


def test_real_items_give_the_judges_accuracy_and_frechet_distances() -> None:
    drawn = Draws().sample(600, ["a"])["a"]
    labels = drawn.values[:, 0].long()
    labels[:60], labels[60:120] = (labels[:60] + 1) % 3, -1
    real = {"a": Memory(Signal(drawn.values + torch.tensor([0, 2.0, 0])), labels)}
    found = evaluate_synchrony(Draws(), JUDGES, CLASSES, n=500, batch=200, real=real)
    a = found.spread("a")
    assert a.accuracy == pytest.approx(480 / 540)
    assert a.frechet == pytest.approx(4, abs=0.6)  # the shift squared
    assert a.frechet_floor is not None and a.frechet_floor < 0.1
    assert found.spread("b").frechet is None
    made = Signal.cat([p["a"] for p in joint_samples(Draws(), 500, ["a", "b"], batch=200)])
    exact = frechet_distance(made.values, real["a"].signal.values)
    assert a.frechet == pytest.approx(exact)


def test_real_items_without_labels_or_too_few() -> None:
    few = Memory(Draws().sample(3, ["a"])["a"], torch.full((3,), -1))
    spread = evaluate_synchrony(Draws(), JUDGES, CLASSES, n=9, real={"a": few}).spread("a")
    assert (spread.accuracy, spread.frechet, spread.frechet_floor) == (None, None, None)


def test_samples_come_in_pieces_and_by_their_seed() -> None:
    draws = Draws()
    short = list(joint_samples(draws, 7, ["a"], seed=3, batch=3))
    assert draws.sizes == [3, 3, 1]
    long = list(joint_samples(draws, 9, ["a"], seed=3, batch=3))
    assert torch.equal(long[1]["a"].values, short[1]["a"].values)
    assert not torch.equal(short[0]["a"].values, short[1]["a"].values)
    assert not torch.equal(
        next(joint_samples(draws, 3, ["a"], seed=4))["a"].values, short[0]["a"].values
    )
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    found = [evaluate_synchrony(draws, JUDGES, CLASSES, n=20, seed=9, batch=6) for _ in range(2)]
    assert found[0] == found[1]
    assert torch.equal(torch.rand(1), expected)


def test_a_translator_is_read_by_real_judges() -> None:
    translator = Translator({"a": Dots(), "b": Dots()}, Swap())
    translator.connect(("0", "1"))
    judges = {name: Judge(Dots(), 2, width=4) for name in "ab"}
    real = table("a", "b").columns
    found = evaluate_synchrony(translator, judges, ("0", "1"), n=40, real=real, batch=16)
    assert found == evaluate_synchrony(
        translator.bridge, judges, ("0", "1"), n=40, real=real, batch=16
    )
    drawn = list(joint_samples(translator, 40, ["a", "b"], batch=16))
    agreed = sum(int((judges["a"].predict(p["a"]) == judges["b"].predict(p["b"])).sum())
                 for p in drawn)  # fmt: skip
    assert found.between("a", "b").rate == agreed / 40
    assert found.spread("b").accuracy == judges["b"].accuracy(real["b"].signal, real["b"].labels)
    plain = found.as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["pairs"][0]["interval"] == list(found.pairs[0].interval)


def test_what_cannot_be_evaluated_is_said() -> None:
    class Mute(Swap):
        def prior(self, n: int):  # type: ignore[no-untyped-def]
            raise UnsupportedError("the bridge 'mute' has no prior")

    translator = Translator({"a": Dots(), "b": Dots()}, Mute())
    with pytest.raises(SettingError, match="no weights to sample with; call fit"):
        evaluate_synchrony(translator, JUDGES, CLASSES)
    translator.connect()
    with pytest.raises(UnsupportedError, match="has no prior"):
        evaluate_synchrony(translator, JUDGES, CLASSES)
    with pytest.raises(DataError, match="two or more domains and classes, not of 1 judged"):
        evaluate_synchrony(Draws(), {"a": Reads()}, CLASSES)
    with pytest.raises(DataError, match="2 judged domains and 1 classes"):
        evaluate_synchrony(Draws(), JUDGES, CLASSES[:1])
    with pytest.raises(DataError, match="judge of 'a' reads class 2, but 2 classes are numbered"):
        evaluate_synchrony(Draws(), JUDGES, CLASSES[:2], n=50)
    with pytest.raises(DataError, match="real items of c have no judge; judges are given for a, b"):
        evaluate_synchrony(Draws(), JUDGES, CLASSES, real={"c": table("c").columns["c"]})
    with pytest.raises(DataError, match="1 of 5 samples of 'a' hold values that are not finite"):
        evaluate_synchrony(Draws(broken=math.nan), JUDGES, CLASSES, n=5)
    with pytest.raises(SettingError, match="samples: n must be a whole number >= 1, not 0"):
        evaluate_synchrony(Draws(), JUDGES, CLASSES, n=0)
    with pytest.raises(SettingError, match="samples: batch must be"):
        evaluate_synchrony(Draws(), JUDGES, CLASSES, batch=0)
    found = evaluate_synchrony(Draws(), JUDGES, CLASSES, n=5)
    with pytest.raises(DataError, match="no synchrony of a & z was evaluated, only a & b"):
        found.between("a", "z")
    with pytest.raises(DataError, match="no samples of z were evaluated, only of a, b"):
        found.spread("z")
