"""The guided attention loss in closed form, attention's weights, what is taught."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from transmodal.core.code import Code
from transmodal.core.errors import SettingError
from transmodal.core.sequences.attention import KINDS, attention
from transmodal.core.sequences.guided import guided
from transmodal.core.sequences.taught import Taught, teach
from transmodal.core.signal import Signal


def test_the_diagonal_costs_nothing_and_the_corner_what_the_formula_says() -> None:
    diagonal = torch.eye(4)[None]
    four = torch.tensor([4])
    assert guided(diagonal, four, four).item() == pytest.approx(0, abs=1e-6)
    corner = torch.zeros(1, 4, 4)
    corner[..., 0] = 1
    wanted = sum(1 - math.exp(-((t / 4) ** 2) / (2 * 0.3**2)) for t in range(4)) / 4
    assert guided(corner, four, four, width=0.3).item() == pytest.approx(wanted, rel=1e-5)


def test_lengths_are_an_item_s_own() -> None:
    torch.manual_seed(0)
    steps, tokens = torch.tensor([7, 3]), torch.tensor([2, 5])
    alignment = torch.rand(2, 7, 5)
    both = guided(alignment, steps, tokens)
    for i, (t, n) in enumerate(zip(steps.tolist(), tokens.tolist(), strict=True)):
        alone = guided(alignment[i : i + 1, :t, :n], steps[i : i + 1], tokens[i : i + 1])
        torch.testing.assert_close(both[i], alone[0])


@pytest.mark.parametrize("kind", list(KINDS))
def test_weights_sum_to_one_and_leave_padding_out(kind: str) -> None:
    torch.manual_seed(0)
    net = attention(kind, 4, 6)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    look = net.at(net.keys(torch.randn(2, 3, 4)), mask)
    before = net.start(mask)
    for _ in range(3):
        weights = look(torch.randn(2, 6), before, before)
        assert torch.allclose(weights.sum(1), torch.ones(2))
        assert (weights[~mask] == 0).all()
        before = weights


def test_dot_is_a_scaled_product_of_query_and_key() -> None:
    torch.manual_seed(0)
    net = attention("dot", 4, 6)
    tokens, query = torch.randn(2, 3, 4), torch.randn(2, 6)
    zero = torch.zeros(2, 3)
    made = net.scores(net.keys(tokens))(query, zero, zero)
    key, asked = tokens @ net.key.weight.T, query @ net.query.weight.T + net.query.bias
    torch.testing.assert_close(made, torch.einsum("bna,ba->bn", key, asked) / 16)


def test_an_unknown_attention_is_refused() -> None:
    with pytest.raises(SettingError, match="attention must be one of 'dot', .*, not 'hard'"):
        attention("hard", 4, 4)


def test_a_part_of_what_was_taught_keeps_its_alignment() -> None:
    made = Taught(torch.zeros(3, 5, 2), torch.tensor([5, 4, 1]), torch.zeros(3, 2, 7), None, 3)
    assert made.steps.tolist() == [2, 2, 1]
    part = made[torch.tensor([0, 2])]
    assert part.alignment.shape == (2, 2, 7)
    assert part.steps.tolist() == [2, 1]
    assert Taught(torch.zeros(2, 5, 2), reduction=2).steps.tolist() == [3, 3]


def test_a_generator_that_cannot_be_taught_is_called() -> None:
    class Once(nn.Module):
        def forward(self, code: Code, style: Code | None = None) -> Signal:
            return Signal(code.tokens if style is None else style.tokens)

    code, style = Code(torch.zeros(1, 2, 3)), Code(torch.ones(1, 2, 3))
    target = Signal(torch.zeros(1))
    assert teach(Once(), code, None, target).values is code.tokens
    assert teach(Once(), code, style, target).values is style.tokens
