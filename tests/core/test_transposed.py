"""Transposed convolutions by phases are torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from transmodal.core.transposed import TransposedConv, by_phases

CASES = [(3, 2, 1, 0), (5, 2, 2, 1), (4, 2, 1, 0), (6, 1, 1, 0), (4, 3, 0, 2), (4, 4, 2, 1)]


@pytest.mark.parametrize(("kernel", "stride", "padding", "more"), CASES)
@pytest.mark.parametrize("biased", [True, False])
def test_the_phases_make_what_torch_makes(kernel, stride, padding, more, biased):
    torch.manual_seed(0)
    conv = nn.ConvTranspose2d(3, 2, kernel, stride, padding, more, bias=biased).double()
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    wanted = conv(x)
    made = by_phases(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.output_padding)
    torch.testing.assert_close(made, wanted)
    slope = torch.randn_like(wanted)
    learners = [x, *conv.parameters()]
    for a, b in zip(
        torch.autograd.grad(made, learners, slope),
        torch.autograd.grad(wanted, learners, slope),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_the_module_is_torch_s_and_near_it_in_bf16():
    torch.manual_seed(0)
    ours, theirs = TransposedConv(8, 4, 3, 2, 1), nn.ConvTranspose2d(8, 4, 3, 2, 1)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 8, 4, 4)
    wanted = theirs(x)
    assert torch.equal(ours(x), wanted)
    with torch.autocast("cpu", torch.bfloat16):
        made = ours(x)
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made.float(), wanted, rtol=0.02, atol=0.02)  # 8 bits of mantissa


@pytest.mark.parametrize("setting", [{"groups": 2}, {"dilation": 2}])
def test_groups_and_dilation_are_left_to_torch(setting):
    torch.manual_seed(0)
    conv, x = TransposedConv(8, 4, 3, 2, **setting), torch.randn(2, 8, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(x), nn.ConvTranspose2d.forward(conv, x))


@pytest.mark.parametrize(("kernel", "stride"), [(2, 3), (5, 2), (3, 1)])
def test_other_kernels_are_left_to_torch(kernel, stride):
    torch.manual_seed(0)
    conv, x = TransposedConv(8, 4, kernel, stride), torch.randn(2, 8, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(x), nn.ConvTranspose2d.forward(conv, x))
