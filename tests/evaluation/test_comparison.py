"""What was made against the real items of the same records, and which directions are measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from transmodal.core import Memory, Records, Signal, Table, Translator
from transmodal.core.bridge import Bridge
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.code import Code
from transmodal.core.errors import DataError
from transmodal.core.evaluation import comparison, judge
from transmodal.core.evaluation.card import Card
from transmodal.core.evaluation.comparison import Comparer, another, together
from transmodal.core.modality import Metric
from transmodal.core.stage import Stage
from transmodal.plugins.text.modality import Text

from toys import Dots, Swap, dots, table


class Keep(Bridge):
    """Says of every item that it is its own translation: right where paired items are equal."""

    name = "keep"

    def build(self) -> None:
        self.unused = nn.Parameter(torch.zeros(1))

    def encode(self, signal: Signal, domain: str) -> Code:
        return Code(signal.values[:, None])

    def decode(self, code: Code, domain: str, style: Code | None = None) -> Signal:
        return Signal(code.tokens[:, 0])

    def stages(self) -> Sequence[Stage]:
        return []


class Noisy(Dots):
    """Dots with a metric that draws numbers, and one that is not finite for equal items."""

    def metrics(self) -> Mapping[str, Metric]:
        def psnr(made: Signal, real: Signal) -> float:
            error = float((made.values - real.values).square().mean())
            return -10 * math.log10(error) if error else math.inf

        return {"drawn": lambda made, real: float(torch.rand(())), "psnr": psnr}


def quick(**changes: Any) -> UniversalAttention:
    small = {"width": 8, "latent": 4, "style_width": 8, "steps": 4, "batch": 6, "warmup": 0}
    return UniversalAttention(**{**small, **changes})


def plain(held: Table, *unlabelled: str) -> Table:
    """The table without the labels of some domains; of all, where none is named."""
    columns = {}
    for domain in held.columns:
        column = held.column(domain)
        assert isinstance(column, Memory)
        if not unlabelled or domain in unlabelled:
            column = replace(column, labels=torch.full_like(column.labels, -1))
        columns[domain] = column
    return Table(columns, held.classes if unlabelled else ())


def apart(held: Table) -> Table:
    """The table with rows of their own for every domain."""
    columns = {}
    for k, domain in enumerate(held.columns):
        column = held.column(domain)
        assert isinstance(column, Memory)
        columns[domain] = replace(column, rows=column.rows + 1000 * k)
    return Table(columns, held.classes)


def joined(bridge: Bridge, *domains: str, classes: Sequence[str] = ()) -> Translator:
    translator = Translator({domain: Dots() for domain in domains}, bridge)
    translator.connect(classes)
    return translator


def ways(card: Card, what: str = "comparisons") -> list[str]:
    return [f"{one['source']}->{one['target']}" for one in card.results[what]]


def mse(translator: Translator, held: Table, source: str, target: str) -> float:
    items = list(held.column(source).take(torch.arange(len(held.column(source)))).values)
    real = held.column(target).take(torch.arange(len(items))).values
    made = torch.stack(translator.translate(items, source, target))
    return float((made - real).square().mean())


# -- universal attention ------------------------------------------------------------------------


def test_pairs_without_labels_are_compared_in_every_direction_of_the_tasks() -> None:
    held = plain(table("a", "b"))
    translator = Translator({"a": Dots(), "b": Dots()}, quick())
    translator.fit(held, progress=False, device="cpu")
    card = translator.evaluate(held)
    assert ways(card) == ["a->b", "b->a"] and card.results["transfers"] == []
    for one in card.results["comparisons"]:
        assert (one["metric"], one["n"]) == ("mse", 24)
        expected = mse(translator, held, one["source"], one["target"])
        assert one["value"] == pytest.approx(expected, rel=1e-6)
    assert card.domains["a"]["test"] == 24
    assert "judges" not in " ".join(card.limits)


def test_tasks_one_way_are_measured_one_way(shrink: Callable[..., None]) -> None:
    shrink(judge._train, steps=2, batch=8)
    held = table("a", "b", "c")
    translator = Translator({d: Dots() for d in "abc"}, quick(tasks=[("a", "b")]))
    translator.fit(held, progress=False, device="cpu")
    card = translator.evaluate(held)
    assert ways(card) == ways(card, "transfers") == ["a->b"]
    assert set(card.results["judges"]) == {"a", "b"} == set(card.results["domains"])
    [one] = card.results["comparisons"]
    assert one["value"] == pytest.approx(mse(translator, held, "a", "b"), rel=1e-6)


def test_what_it_translates_is_what_its_tasks_say() -> None:
    assert joined(Swap(), "a", "b").bridge.directions() == [
        ("a", "a"),
        ("a", "b"),
        ("b", "a"),
        ("b", "b"),
    ]
    assert joined(quick(), "a", "b").bridge.directions() == [("a", "b"), ("b", "a")]
    assert joined(quick(tasks=[["b", "a"]]), "a", "b").bridge.directions() == [("b", "a")]


def test_texts_are_compared_by_wer_and_bleu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "BATCH", 4)  # parts of different lengths
    kind = Text(longest=12, hidden=8, embedding=8, bank=1, critic=8)
    texts = ["one", "two words", "", "three", "été", "a b c", "seven", "eight", "nine"]
    vectors = list(dots(len(texts))[0])
    records = Records.from_arrays({"a": vectors, "b": texts}, paired=True)
    translator = Translator({"a": Dots(), "b": kind}, quick(tasks=[("a", "b")]))
    translator.connect()
    real = kind.collate(texts)
    made = translator.translate_signal(Dots().collate(vectors), "a", "b")  # log-probabilities
    found = {c["metric"]: c for c in translator.evaluate(records).results["comparisons"]}
    assert list(found) == ["cer", "wer", "bleu", "chrf"]
    for name, metric in kind.metrics().items():
        assert found[name]["value"] == pytest.approx(metric(made, real))
        assert found[name]["n"] == len(texts)


# -- any bridge -----------------------------------------------------------------------------------


def test_chance_of_a_perfect_translator_is_worse_than_its_metric() -> None:
    values = dots(24)[0]
    kind = Dots()
    translator = Translator({"a": kind, "b": kind}, Keep())
    translator.connect()
    records = Records.from_arrays({"a": values, "b": values}, paired=True)
    card = translator.evaluate(records)
    assert [one["value"] for one in card.results["comparisons"]] == [0, 0]
    assert all(one["chance"] > 0.01 for one in card.results["comparisons"])
    assert translator.evaluate(records).results == card.results
    other = translator.evaluate(records, seed=1).results["comparisons"]
    assert other[0]["chance"] != card.results["comparisons"][0]["chance"]


def test_labels_and_pairs_are_both_measured(shrink: Callable[..., None]) -> None:
    shrink(judge._train, steps=2, batch=8)
    held = table("a", "b")
    translator = joined(Swap(), "a", "b", classes=("0", "1"))
    card = translator.evaluate(held, train=held)
    assert ways(card, "transfers") == ["a->a", "a->b", "b->a", "b->b"]
    assert ways(card) == ["a->b", "b->a"]
    alone = translator.evaluate(apart(held), train=held)
    assert alone.results == {**card.results, "comparisons": []}
    assert alone.limits == card.limits[:2]


def test_only_records_that_hold_both_are_compared_once_translated() -> None:
    held = table("a", "b")
    a, b = held.column("a"), held.column("b")
    order = torch.tensor([7, 3, 11, 20])
    some = Memory(b.take(order), b.labels[order], order)
    calls: list[tuple[str, str, int]] = []
    kept: dict[str, Tensor] = {}

    def shift(signal: Signal, *, source: str, target: str) -> Signal:
        calls.append((source, target, len(signal)))
        return Signal(signal.values + 0.5)

    def mean(made: Signal, real: Signal) -> float:
        kept.setdefault("made", made.values)
        kept.setdefault("real", real.values)
        return float((made.values - real.values).mean())

    kinds = {"a": Dots(), "b": Dots()}
    kinds["b"].metrics = lambda: {"mean": mean}  # type: ignore[method-assign]
    columns = {"a": a, "b": some}
    compare = Comparer(shift, kinds, columns, [("a", "a"), ("a", "b")])  # type: ignore[arg-type]
    for part in torch.arange(24).split(10):
        compare(a.take(part), source="a", target="b")
    [found] = compare.comparisons()
    places = order.sort().values
    assert [size for _, _, size in calls] == [10, 10, 4]  # and not once more
    assert torch.equal(kept["made"], a.take(places).values + 0.5)
    assert torch.equal(kept["real"], b.take(places).values)
    assert (found.metric, found.n) == ("mean", 4)
    again = Comparer(shift, kinds, columns, [("a", "b")])  # type: ignore[arg-type]
    assert again.comparisons() == (found,)
    assert calls[3:] == [("a", "b", 4)]


def test_little_is_kept_batches_are_small_and_likelihoods_become_units(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison, "BATCH", 5)
    units = torch.randint(0, 7, (12, 3))
    likely = nn.functional.one_hot(units, 7).float()
    sizes: list[int] = []

    def make(signal: Signal, *, source: str, target: str) -> Signal:
        sizes.append(len(signal))
        return Signal(likely[signal.values[:, 0].long()], torch.full((len(signal),), 3))

    kinds = {"a": Dots(), "b": Dots()}
    kinds["b"].metrics = lambda: {  # type: ignore[method-assign]
        "equal": lambda made, real: float((made.values == real.values).float().mean())
    }
    lengths = torch.full((12,), 3)
    columns = {
        "a": Memory(Signal(torch.arange(12.0)[:, None]), torch.zeros(12)),
        "b": Memory(Signal(units, lengths), torch.zeros(12)),
    }
    [found] = Comparer(make, kinds, columns, [("a", "b")]).comparisons()
    assert sizes == [5, 5, 2]
    assert found.value == 1 and found.chance is not None and found.chance < 1


def test_metrics_that_draw_leave_the_random_state_as_it_was() -> None:
    values = dots(8)[0]
    translator = Translator({"a": Noisy(), "b": Noisy()}, Keep())
    translator.connect()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    records = Records.from_arrays({"a": values, "b": values}, paired=True)
    found = {c["metric"]: c for c in translator.evaluate(records).results["comparisons"]}
    assert torch.equal(torch.get_rng_state(), before)
    assert found["psnr"]["value"] is None and found["psnr"]["chance"] < 30


def test_a_single_record_has_no_chance() -> None:
    translator = joined(Keep(), "a", "b")
    records = Records.from_arrays({d: dots(1)[0] for d in "ab"}, paired=True)
    assert [c["chance"] for c in translator.evaluate(records).results["comparisons"]] == [None] * 2


def test_a_domain_without_labels_is_compared_where_there_are_pairs(
    shrink: Callable[..., None],
) -> None:
    shrink(judge._train, steps=2, batch=8)
    held = table("a", "b")
    translator = joined(Swap(), "a", "b", classes=("0", "1"))
    card = translator.evaluate(plain(held, "b"), train=held)
    assert ways(card, "transfers") == ["a->a"] and ways(card) == ["a->b", "b->a"]
    assert "No judge reads b: labels for one are missing." in card.limits
    card = translator.evaluate(held, train=plain(held, "a"))
    assert ways(card, "transfers") == ["b->b"] and ways(card) == ["a->b", "b->a"]
    assert translator.evaluate(held, judges={}).results["judges"] == {}
    with pytest.raises(DataError, match="domain 'b' has no labelled test item"):
        translator.evaluate(apart(plain(held, "b")), train=held)


def test_neither_labels_nor_pairs_is_refused() -> None:
    held = apart(table("a", "b"))
    knows = r"no record holds both ends of a translation \(a -> b, b -> a\)"
    with pytest.raises(DataError, match=f"knows no classes.*{knows}.*give records with pairs"):
        joined(Swap(), "a", "b").evaluate(held)
    with pytest.raises(DataError, match=f"no test item has a label.*{knows}.*label test items"):
        joined(Swap(), "a", "b", classes=("0", "1")).evaluate(plain(held, "a", "b"))
    one_way = joined(quick(tasks=[("b", "a")]), "a", "b")
    with pytest.raises(DataError, match=r"of a translation \(b -> a\) into a modality"):
        one_way.evaluate(plain(held))


def test_labels_of_records_mean_nothing_to_a_translator_without_classes() -> None:
    values, labels = dots(8)
    records = Records.from_arrays({"a": values, "b": values}, labels.tolist(), paired=True)
    assert ways(joined(Swap(), "a", "b").evaluate(records, train=records)) == ["a->b", "b->a"]


# -- its parts ------------------------------------------------------------------------------------


def test_items_that_share_a_row_are_together() -> None:
    columns = [
        Memory(Signal(torch.zeros(len(rows), 1)), torch.zeros(len(rows)), torch.tensor(rows))
        for rows in ([5, 2, 9, 4], [4, 5, 7])
    ]
    first, second = together(*columns)
    assert first.tolist() == [0, 3] and second.tolist() == [1, 0]
    apart_ = together(columns[0], replace(columns[1], rows=torch.tensor([1, 3, 6])))
    assert [len(places) for places in apart_] == [0, 0]


@pytest.mark.parametrize("n", [2, 3, 10, 101])
def test_another_is_never_its_own(n: int) -> None:
    for _ in range(20):
        other = another(n)
        assert bool((other != torch.arange(n)).all())
        assert other.sort().values.tolist() == list(range(n))
