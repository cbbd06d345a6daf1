"""The one norm of the convolutional subnets, in every precision."""

from __future__ import annotations

import math

import pytest
import torch

from transmodal.core.subnets import even


def divided(x: torch.Tensor) -> torch.Tensor:
    """The norm as float32 and bfloat16 have it, bit by bit."""
    x = x.relu()
    size = torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True, dtype=torch.float32)
    return x * (math.sqrt(x[0].numel()) / (size + 1e-3)).to(x.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [1e-8, 1e-3, 1.0, 30.0])
def test_features_are_divided_by_their_root_mean_square(dtype: torch.dtype, size: float) -> None:
    torch.manual_seed(0)
    x = (size * torch.randn(3, 8, 5, 5)).to(dtype)
    made = even(x)
    assert made.dtype == dtype and torch.equal(made, divided(x))
    if size >= 1:
        assert torch.allclose(made.float().square().mean((1, 2, 3)), torch.ones(3), atol=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [0.0, 6e-8, 1e-7, 1e-6])
def test_features_near_zero_stay_numbers(dtype: torch.dtype, value: float) -> None:
    """256 maps of 7 x 7: zeros are to be multiplied by 112000, and float16 ends at 65504."""
    x = torch.full((2, 256, 7, 7), value, dtype=dtype)
    x[1] = torch.arange(49.0).view(7, 7)
    x.requires_grad_()
    made = even(x)
    made.float().square().mean().backward()
    assert bool(made.isfinite().all()) and bool(x.grad.isfinite().all())
    assert torch.equal(made[1:], even(x[1:]))
    # float16 multiplies by what it has at most
    assert made[0].max().item() == pytest.approx(112 * value / (112 * value + 1e-3), rel=0.45)


def test_in_float64_features_are_divided_exactly() -> None:
    x = torch.randn(3, 8, 5, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(even, x)
