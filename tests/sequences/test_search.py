"""Search in small models of which every sequence can be listed."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from transmodal.core.errors import SettingError
from transmodal.core.sequences.search import beam, repeated, sample

END, UNITS, LONGEST = 0, 4, 4


class Chain:
    """A model in which a unit depends on the item and the two units before it."""

    def __init__(self, items: int, seed: int) -> None:
        g = torch.Generator().manual_seed(seed)
        table = 2 * torch.randn(items, UNITS + 1, UNITS + 1, UNITS, generator=g)
        self.table = table.log_softmax(-1)

    def start(self, beams: int) -> dict[str, Tensor]:
        item = torch.arange(len(self.table))
        none = torch.full((len(item), 2), UNITS)
        return repeated({"item": item, "last": none}, beams)

    @staticmethod
    def step(
        table: Tensor, state: dict[str, Tensor], units: Tensor | None
    ) -> tuple[dict[str, Tensor], Tensor]:
        last = state["last"]
        if units is not None:
            last = torch.stack([last[:, 1], units], 1)
        return {"item": state["item"], "last": last}, table[state["item"], last[:, 0], last[:, 1]]

    def plain(
        self, state: dict[str, Tensor], units: Tensor | None
    ) -> tuple[dict[str, Tensor], Tensor]:
        return self.step(self.table, state, units)

    def search(self, **how: float) -> tuple[list[list[int]], list[float]]:
        found = beam(
            self.plain,
            self.start(int(how.get("beams", 1))),
            len(self.table),
            end=END,
            longest=LONGEST,
            **how,  # type: ignore[arg-type]
        )
        rows = zip(found.units.tolist(), found.lengths.tolist(), strict=True)
        return [row[:n] for row, n in rows], found.scores.tolist()

    def score(self, item: int, units: list[int], penalty: float) -> float:
        before, total = [UNITS, UNITS], 0.0
        for unit in units:
            total += float(self.table[item, before[0], before[1], unit])
            before = [before[1], unit]
        return total / len(units) ** penalty

    def best(self, item: int, penalty: float, shortest: int = 1) -> list[int]:
        every = [
            [*start, END]
            for n in range(shortest - 1, LONGEST)
            for start in itertools.product(range(1, UNITS), repeat=n)
        ]
        return max(every, key=lambda units: self.score(item, units, penalty))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    penalty=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    shortest=st.integers(1, LONGEST),
)
def test_wide_enough_a_beam_finds_the_best_of_all(seed: int, penalty: float, shortest: int) -> None:
    chain = Chain(3, seed)
    found, scores = chain.search(beams=60, penalty=penalty, shortest=shortest)
    for item in range(3):
        assert found[item] == chain.best(item, penalty, shortest)
        assert scores[item] == pytest.approx(chain.score(item, found[item], penalty), abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    penalty=st.sampled_from([0.0, 1.0]),
    shortest=st.integers(1, LONGEST),
)
def test_one_beam_is_greedy(seed: int, penalty: float, shortest: int) -> None:
    chain = Chain(3, seed)
    found, _ = chain.search(beams=1, penalty=penalty, shortest=shortest)
    for item in range(3):
        units: list[int] = []
        before = [UNITS, UNITS]
        while len(units) < LONGEST and (not units or units[-1] != END):
            likely = chain.table[item, before[0], before[1]]
            first = 1 if len(units) + 1 < shortest else 0  # END is the first
            units.append(first + int(likely[first:].argmax()))
            before = [before[1], units[-1]]
        assert found[item] == units


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), beams=st.integers(1, 5))
def test_company_changes_nothing_and_wider_is_no_worse_than_the_score_says(
    seed: int, beams: int
) -> None:
    chain = Chain(4, seed)
    found, scores = chain.search(beams=beams, penalty=1.0)
    for item in range(4):
        alone = Chain(1, 0)
        alone.table = chain.table[item : item + 1]
        assert alone.search(beams=beams, penalty=1.0)[0] == [found[item]]
        assert scores[item] == pytest.approx(chain.score(item, found[item], 1.0), abs=1e-4)


def test_what_never_ends_is_cut_at_the_limit() -> None:
    chain = Chain(2, 0)
    chain.table[..., END] = -1e9
    for beams in (1, 3):
        found, scores = chain.search(beams=beams)
        assert [len(units) for units in found] == [LONGEST] * 2
        assert all(END not in units for units in found)
        assert scores[0] == pytest.approx(chain.score(0, found[0], 0.0), abs=1e-4)


def test_samples_have_the_model_s_shares() -> None:
    """Of 4,000 draws, a first unit's share is within four standard errors of its probability."""
    chain, count = Chain(1, 3), 4000
    logs = chain.table[0, UNITS, UNITS]

    def drawn(temperature: float, top_p: float) -> Tensor:
        chain.table = chain.table[:1].expand(count, -1, -1, -1)
        found = sample(
            lambda state, units: chain.step(chain.table, state, units),
            chain.start(1),
            count,
            end=END,
            longest=LONGEST,
            temperature=temperature,
            top_p=top_p,
            generator=torch.Generator().manual_seed(0),
        )
        likely = chain.score(0, found.units[0, : found.lengths[0]].tolist(), 0.0)
        assert found.scores[0].item() == pytest.approx(likely, abs=1e-4)
        return torch.bincount(found.units[:, 0], minlength=UNITS) / count

    for temperature in (1.0, 2.0):
        wanted = (logs / temperature).softmax(0)
        error = (wanted * (1 - wanted) / count).sqrt()
        assert ((drawn(temperature, 1.0) - wanted).abs() < 4 * error + 1e-9).all()
    shares, order = logs.softmax(0).sort(descending=True)
    kept = order[:2]
    found = drawn(1.0, float(shares[0] + shares[1] / 2))
    assert math.isclose(float(found[kept].sum()), 1.0, rel_tol=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), shortest=st.integers(1, LONGEST))
def test_samples_end_no_sooner_than_they_may(seed: int, shortest: int) -> None:
    chain, count = Chain(1, seed), 200
    chain.table = chain.table.expand(count, -1, -1, -1)
    found = sample(
        lambda state, units: chain.step(chain.table, state, units),
        chain.start(1),
        count,
        end=END,
        longest=LONGEST,
        shortest=shortest,
        generator=torch.Generator().manual_seed(seed),
    )
    assert ((found.lengths >= shortest) & (found.lengths <= LONGEST)).all()
    assert (found.units[:, : shortest - 1] != END).all()
    for i in range(3):
        units = found.units[i, : found.lengths[i]].tolist()
        assert found.scores[i].item() == pytest.approx(chain.score(0, units, 0.0), abs=1e-4)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"longest": 0}, "longest must be a whole number >= 1, not 0"),
        ({"shortest": 0}, "shortest must be a whole number >= 1 <= 4, not 0"),
        ({"shortest": 5}, "shortest must be a whole number >= 1 <= 4, not 5"),
    ],
)
def test_lengths_that_cannot_be_are_refused(how: dict[str, int], message: str) -> None:
    chain = Chain(1, 0)

    for name, search in (("beam", beam), ("sample", sample)):
        with pytest.raises(SettingError, match=f"{name}: {message}"):
            search(chain.plain, chain.start(1), 1, **{"end": END, "longest": LONGEST, **how})
    with pytest.raises(SettingError, match="beam: beams must be a whole number >= 1, not 0"):
        beam(chain.plain, chain.start(1), 1, end=END, longest=LONGEST, beams=0)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"temperature": 0.0}, "sample: temperature must be a number >= 1e-06, not 0.0"),
        ({"top_p": 0.0}, "sample: top_p must be a number >= 1e-06 <= 1, not 0.0"),
        ({"top_p": 1.5}, "sample: top_p must be a number >= 1e-06 <= 1, not 1.5"),
    ],
)
def test_draws_that_cannot_be_are_refused(how: dict[str, float], message: str) -> None:
    chain = Chain(1, 0)

    with pytest.raises(SettingError, match=message):
        sample(chain.plain, chain.start(1), 1, end=END, longest=2, **how)
