"""Location-sensitive scores against eq. 9 by torch's convolution, and their derivatives."""

from __future__ import annotations

import torch
from torch import nn

from transmodal.core.sequences.located import located


def test_scores_are_those_of_two_maps_one_after_the_other() -> None:
    torch.manual_seed(0)
    filters = nn.Conv1d(2, 4, 5, padding="same", bias=False).double()
    place = nn.Linear(4, 3, bias=False).double()
    asked, before, total, keys, score = (
        torch.randn(shape).double() for shape in ((2, 3), (2, 6), (2, 6), (2, 6, 3), (3,))
    )
    seen = place(filters(torch.stack([before, total], 1)).transpose(1, 2))
    wanted = torch.tanh(asked[:, None] + keys + seen) @ score
    kernel = filters.weight.flatten(1).T @ place.weight.T
    torch.testing.assert_close(located(asked, before, total, keys, kernel, score), wanted)


def test_derivatives_of_scores() -> None:
    torch.manual_seed(0)
    shapes = ((2, 3), (2, 4), (2, 4), (2, 4, 3), (6, 3), (3,))
    given = [torch.randn(shape).double().requires_grad_() for shape in shapes]
    assert torch.autograd.gradcheck(located, given)
