"""Exact search against brute force in float64, on kind and unkind vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from transmodal.core.retrieval import exact
from transmodal.core.retrieval.codes import BLOCK, Codes, Guess


def unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors.double(), dim=1).float()


def vectors(kind: str, n: int, width: int, seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, width, generator=g)
    made = {
        "even": noise,
        "cone": 1 + 0.01 * noise,  # all cosines above .99
        "sparse": noise * (torch.rand(n, width, generator=g) < 0.05) + 1e-3 * noise,
        "spiky": noise * torch.logspace(0, 4, width),  # one dimension rules
        "same": noise[:1].expand(n, -1),  # nothing but ties
        "groups": noise[:1].expand(n, -1) + 2 * torch.eye(width)[torch.arange(n) * width // n],
    }
    return unit(made[kind])


def brute(queries: Tensor, rows: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    scores = (queries.double() @ rows.double().T).float().numpy()
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order


KINDS = ["even", "cone", "sparse", "spiky", "same", "groups"]


@settings(max_examples=40, deadline=None)
@example("spiky", 7, 1, 7, 1, 1)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 900),
    st.integers(1, 40),
    st.integers(1, 12),
    st.integers(1, 70),
    st.integers(0, 1000),
)
def test_is_brute_force(kind: str, n: int, width: int, b: int, k: int, seed: int) -> None:
    rows = vectors(kind, n, width, seed)
    fresh = torch.randn(b, width, generator=torch.Generator().manual_seed(seed + 1))
    queries = torch.cat([unit(fresh), rows[: b // 2]])
    cuts = [n // 3, n - n // 3] if n >= 3 else [n]
    parts = [(part, Codes.of(part)) for part in rows.split(cuts)]
    k = min(k, n)
    scores, found = exact.nearest(queries, parts, k)
    wanted, order = brute(queries, rows, k)
    np.testing.assert_array_equal(scores.numpy(), wanted)
    # Sums in another order differ by 1e-16, which may tip what is equal in float32 over.
    differ = found.numpy() != order
    own = (queries.double() @ rows.double().T).gather(1, found)
    assert differ.mean() < 0.01 or np.ptp(own.numpy()[differ]) < 1e-6


@pytest.mark.parametrize("kind", ["even", "cone"])
def test_rules_out_most_rows(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way that is fast is the way that is taken, over many chunks, and it is exact."""
    rows = vectors(kind, 6000, 64, 1)
    queries = unit(rows[::500] + 0.1 * torch.randn(12, 64) / 8)
    monkeypatch.setattr(exact, "PRODUCTS", 12 * 1024)
    monkeypatch.setattr(exact, "WAITING", 50)
    seen = []
    score = exact._Race._score

    def counted(self: exact._Race, vectors: Tensor, pairs: exact._Pairs, start: int) -> None:
        seen.append(len(pairs.row))
        score(self, vectors, pairs, start)

    monkeypatch.setattr(exact._Race, "_score", counted)
    scores, found = exact.nearest(queries, [(rows, Codes.of(rows))], 5)
    wanted, order = brute(queries, rows, 5)
    np.testing.assert_array_equal(scores.numpy(), wanted)
    np.testing.assert_array_equal(found.numpy(), order)
    assert len(seen) > 3 and sum(seen) < 0.2 * len(rows) * len(queries)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_holds(kind: str) -> None:
    rows, queries = vectors(kind, 300, 33, 2), vectors("sparse", 20, 33, 3)
    codes = Codes.of(rows)
    guess = Guess(queries, codes)
    slope, offset, error = guess.line(0, len(codes.scale))
    values = (guess.products(0, len(codes.scale)) * slope[..., None] + offset[..., None]).flatten(1)
    true = queries.double() @ rows.double().T
    away = (values[:, : len(rows)] - true).abs()
    assert (away <= error.repeat_interleave(BLOCK, 1)[:, : len(rows)]).all()
    # ... and says something: it is that of eight bits, not of two.
    assert error.max() < 0.12


def test_one_query_as_among_many() -> None:
    rows = vectors("even", 3000, 16, 4)
    queries = vectors("even", 300, 16, 5)
    parts = [(rows, Codes.of(rows))]
    scores, found = exact.nearest(queries, parts, 7)
    for i in (0, 255, 256, 299):
        alone = exact.nearest(queries[i : i + 1], parts, 7)
        assert torch.equal(alone[0][0], scores[i]) and torch.equal(alone[1][0], found[i])
