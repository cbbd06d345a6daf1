"""Spreading a code's tokens over the places of a map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from transmodal.core.code import Code
from transmodal.core.decoders import spread


@pytest.mark.parametrize("n", [3, 5, 12])
def test_tokens_are_spread_as_numpy_interpolates_them(n: int) -> None:
    generator = torch.Generator().manual_seed(n)
    tokens = torch.randn(2, 5, 1, generator=generator)
    mask = torch.tensor([[True] * 5, [True, False, True, True, False]])
    made = spread(Code(tokens, mask), n).tokens[..., 0]
    for i in range(2):
        own = tokens[i, mask[i], 0].numpy()
        expected = np.interp(np.linspace(0, len(own) - 1, n), np.arange(len(own)), own)
        assert torch.allclose(made[i].double(), torch.from_numpy(expected), atol=1e-5)


def test_one_real_token_fills_every_place() -> None:
    mask = torch.tensor([[False, True, False]])
    tokens = torch.tensor([[[7.0], [2.0], [9.0]]])
    assert torch.equal(spread(Code(tokens, mask), 4).tokens, torch.full((1, 4, 1), 2.0))
