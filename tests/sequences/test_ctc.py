"""Spelling by CTC against every path there is."""

from __future__ import annotations

import itertools

import pytest
import torch

from transmodal.core.code import Code
from transmodal.core.sequences.ctc import Spelling
from transmodal.core.signal import Signal


def collapsed(path: tuple[int, ...]) -> list[int]:
    return [u for u, _ in itertools.groupby(path) if u]


def test_the_loss_sums_over_every_path() -> None:
    torch.manual_seed(0)
    spelling = Spelling(3, 5, end=1)
    code = Code(torch.randn(2, 5, 3), torch.tensor([[True] * 5, [True] * 4 + [False]]))
    target = Signal(torch.tensor([[3, 3, 1], [4, 1, 0]]), torch.tensor([3, 2]))
    logs = spelling(code).double()
    loss = spelling.loss(code, target)
    for i, (n, text) in enumerate([(5, [3, 3]), (4, [4])]):
        paths = [p for p in itertools.product(range(5), repeat=n) if collapsed(p) == text]
        chance = sum(logs[i, range(n), p].sum().exp() for p in map(list, paths))
        assert float(loss[i].detach()) == pytest.approx(-float(chance.detach().log()), rel=1e-4)


def test_tokens_too_few_give_no_loss_and_no_gradient_that_is_not_finite() -> None:
    torch.manual_seed(0)
    spelling = Spelling(3, 5, end=1)
    code = Code(torch.randn(1, 2, 3, requires_grad=True))
    loss = spelling.loss(code, Signal(torch.tensor([[3, 3, 1]]), torch.tensor([3])))
    assert loss.tolist() == [0.0]
    loss.sum().backward()
    assert code.tokens.grad is not None and code.tokens.grad.isfinite().all()


def test_the_best_spelling_draws_alike_neighbours_together() -> None:
    spelling = Spelling(5, 5, end=1)
    with torch.no_grad():
        spelling.head.weight.copy_(torch.eye(5))
        spelling.head.bias.zero_()
    path = torch.tensor([[3, 3, 0, 3, 4, 4], [0, 0, 0, 0, 2, 2]])
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    made = spelling.best(Code(10 * torch.eye(5)[path], mask))
    assert made.values.tolist() == [[3, 3, 4, 1], [1, 0, 0, 0]]
    assert made.lengths is not None and made.lengths.tolist() == [4, 1]


def test_it_learns_to_spell() -> None:
    torch.manual_seed(0)
    spelling = Spelling(4, 6, end=1)
    tokens = torch.nn.Parameter(torch.randn(1, 9, 4))
    target = Signal(torch.tensor([[5, 3, 3, 4, 1]]), torch.tensor([5]))
    adam = torch.optim.Adam([tokens, *spelling.parameters()], 0.1)
    for _ in range(60):
        adam.zero_grad()
        spelling.loss(Code(tokens), target).sum().backward()
        adam.step()
    assert spelling.best(Code(tokens)).values.tolist() == [[5, 3, 3, 4, 1]]
