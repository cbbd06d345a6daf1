"""Recurrent parts against torch's own, and their gradients against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from transmodal.core.sequences.gru import GRU, cell
from transmodal.core.sequences.repeated import Repeated


@pytest.mark.parametrize("backward", [False, True])
def test_a_gru_is_torch_s_own(backward: bool) -> None:
    torch.manual_seed(0)
    ours, theirs = GRU(3, 5, backward=backward).double(), nn.GRU(3, 5, batch_first=True).double()
    theirs.load_state_dict(
        {
            "weight_ih_l0": ours.given.weight,
            "bias_ih_l0": ours.given.bias,
            "weight_hh_l0": ours.again.weight,
            "bias_hh_l0": ours.again.bias,
        }
    )
    lengths, x = [4, 1, 6], torch.randn(3, 6, 3).double()
    mask = torch.arange(6) < torch.tensor(lengths)[:, None]
    made = ours(x, mask)
    (made.square() * mask[..., None]).sum().backward()
    for i, n in enumerate(lengths):
        alone = x[i : i + 1, :n].flip(1) if backward else x[i : i + 1, :n]
        wanted, _ = theirs(alone)
        torch.testing.assert_close(made[i, :n], (wanted.flip(1) if backward else wanted)[0])
        wanted.square().sum().backward()
    pairs = zip([ours.given, ours.again], ["ih", "hh"], strict=True)
    for part, name in pairs:
        torch.testing.assert_close(part.weight.grad, getattr(theirs, f"weight_{name}_l0").grad)
        torch.testing.assert_close(part.bias.grad, getattr(theirs, f"bias_{name}_l0").grad)


def test_a_cell_s_derivatives() -> None:
    torch.manual_seed(0)
    given = [torch.randn(3, n).double().requires_grad_() for n in (12, 12, 4)]
    assert torch.autograd.gradcheck(cell, given)
    (slope,) = torch.autograd.grad(cell(*given).square().sum(), given[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3)])
def test_a_matrix_gathers_the_gradient_of_all_its_products(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape).double().requires_grad_()
    bias, x = (torch.randn(n).double().requires_grad_() for n in (3, 4))

    def chain(matrix: torch.Tensor, bias: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        times = Repeated(matrix, bias if matrix.ndim == 2 else None)
        y, total = x.expand(2, 4), bias.sum()
        for _ in range(3):
            made = torch.tanh(times(y))
            total = total + made.square().sum()
            y = torch.cat([made, y[:, :1]], 1)
        return total

    assert torch.autograd.gradcheck(chain, (matrix, bias, x))


def test_parts_left_by_a_first_look_are_not_counted_twice() -> None:
    matrix = torch.eye(2, requires_grad=True)
    times = Repeated(matrix)
    x = torch.ones(1, 2, requires_grad=True)
    made = times(x).sum()
    torch.autograd.grad(made, x, retain_graph=True)
    made.backward()
    assert matrix.grad.tolist() == [[1, 1], [1, 1]]


def test_autocast_adds_up_in_the_product_not_step_by_step() -> None:
    """A thousand small parts are lost when added one by one in bfloat16."""
    matrix = torch.zeros(1, 1, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        times = Repeated(matrix)
        made = [times(torch.full((1, 1), 1.0)) for _ in range(1000)]
    torch.cat(made).float().sum().backward()
    assert matrix.grad.item() == pytest.approx(1000, rel=4e-3)
