"""Smoothing against a plain loop, and what it may and may not change."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from transmodal.plugins.image.smoothing import EDGE, Smoothing, flow


def smoothing(edge: float, share: float, dtype: torch.dtype = torch.float32) -> Smoothing:
    """For a condition of one number, 1: the edge and the share it tells."""
    made = Smoothing(1).to(dtype)
    with torch.no_grad():
        made.linear.bias.copy_(torch.tensor([math.log(edge / EDGE), share]))
    return made


def plain(x: Tensor, edge: float, reach: int) -> Tensor:
    """``flow`` of ``[c h w]``, pixel by pixel."""
    came = torch.zeros_like(x)
    _, h, w = x.shape
    for i in range(h):
        for j in range(w):
            for down, right in ((reach, 0), (-reach, 0), (0, reach), (0, -reach)):
                k, m = i + down, j + right
                if 0 <= k < h and 0 <= m < w:
                    apart = x[:, k, m] - x[:, i, j]
                    came[:, i, j] += apart * math.exp(-float(apart @ apart) / (2 * edge**2))
    return came


@pytest.mark.parametrize("reach", [1, 3])
def test_flow_against_a_plain_loop(reach: int) -> None:
    x = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    edges = torch.tensor([0.1, 0.5], dtype=torch.float64)
    came = flow(x, edges[:, None, None, None], reach)
    for item, edge, found in zip(x, edges.tolist(), came, strict=True):
        torch.testing.assert_close(found, plain(item, edge, reach), rtol=1e-10, atol=1e-12)


def test_it_begins_as_nothing_and_is_learned_from_there() -> None:
    x, style = torch.rand(2, 3, 16, 16), torch.ones(2, 4)
    fresh = Smoothing(4)
    made = fresh(x, style)
    torch.testing.assert_close(made, x, rtol=0, atol=0)
    # less of the differences is wanted: the share must be able to leave 0
    (made[..., 1:] - made[..., :-1]).square().sum().backward()
    assert fresh.linear.bias.grad is not None and float(fresh.linear.bias.grad[1]) < 0


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (32, 32)])
def test_range_and_mean_stay(size: tuple[int, int]) -> None:
    x = torch.rand(3, 2, *size, dtype=torch.float64)
    made = smoothing(0.5, 1.0, torch.float64)(x, torch.ones(3, 1, dtype=torch.float64))
    assert made.shape == x.shape
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    assert bool(((made >= low - 1e-12) & (made <= high + 1e-12)).all())
    torch.testing.assert_close(made.mean((2, 3)), x.mean((2, 3)))


def test_the_step_is_the_greatest_that_stays_within_range() -> None:
    """A chequerboard without edges turns over in a step of a quarter, and never leaves [0, 1]."""
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    board = ((rows + columns) % 2).float().expand(1, 1, 8, 8)
    step = board + flow(board, torch.full((1, 1, 1, 1), 1e3), 1) / 4
    torch.testing.assert_close(step[..., 1:-1, 1:-1], 1 - board[..., 1:-1, 1:-1])
    with torch.no_grad():
        made = smoothing(10.0, 1.0)(board, torch.ones(1, 1))
    assert float(made.min()) >= 0 and float(made.max()) <= 1


@pytest.mark.parametrize("told", [-100.0, 100.0])
def test_whatever_is_told_slopes_are_finite(told: float) -> None:
    made = Smoothing(1)
    with torch.no_grad():
        made.linear.bias.copy_(torch.tensor([told, told]))
    x = torch.rand(2, 3, 16, 16).round(decimals=1).requires_grad_()  # with flat places
    out = made(x, torch.ones(2, 1))
    out.square().sum().backward()
    for values in (out, x.grad, made.linear.bias.grad, made.linear.weight.grad):
        assert values is not None and bool(values.isfinite().all())


def test_noise_goes_and_edges_stay() -> None:
    torch.manual_seed(0)
    clean = torch.full((1, 3, 32, 32), 0.2)
    clean[..., 16:] = 0.8
    noisy = clean + 0.01 * torch.randn_like(clean)
    with torch.no_grad():
        made = smoothing(0.1, 1.0)(noisy, torch.ones(1, 1))
    off, was = ((x - clean).square().mean().sqrt() for x in (made, noisy))
    assert float(off) < 0.25 * float(was)
    jump = made[..., 16] - made[..., 15]
    assert float((jump - 0.6).abs().max()) < 0.02


def test_each_item_has_its_own_style() -> None:
    x = torch.rand(1, 3, 16, 16).expand(2, -1, -1, -1)
    both = Smoothing(1)
    with torch.no_grad():
        both.linear.weight.copy_(torch.tensor([[0.0], [1.0]]))
    made = both(x, torch.tensor([[0.0], [1.0]]))
    assert torch.equal(made[0], x[0])
    assert not torch.allclose(made[1], x[1], atol=1e-3)


def test_gradients_by_differences() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    edge = torch.tensor([[0.3], [0.8]], dtype=torch.float64)[..., None, None].requires_grad_()
    assert torch.autograd.gradcheck(lambda x, edge: flow(x, edge, 2), (x, edge))
