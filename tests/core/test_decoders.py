"""Spreading a code's tokens over the places of a map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from transmodal.core.code import Code
from transmodal.core.decoders import spread
from transmodal.core.modality import Modality
from transmodal.plugins.image.modality import Image
from transmodal.plugins.speech.modality import Speech


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


@pytest.mark.parametrize(
    "modality",
    [Image(size=16), Image(size=16, grid=4, residual=2), Speech(seconds=0.5)],
    ids=["image", "residual", "speech"],
)
def test_what_is_made_of_a_text_does_not_depend_on_the_padding_of_its_batch(
    modality: Modality,
) -> None:
    """Also where the padded length is that of the modality's own codes, and of one token alone."""
    torch.manual_seed(0)
    net = modality.generator(8).eval()
    own = 16 if isinstance(modality, Image) else net.n
    for n in (1, 2, 5):
        tokens = torch.randn(1, n, 8)
        with torch.no_grad():
            alone = net(Code(tokens)).values
            for length in {n, 6, own, own + 1} - set(range(n)):
                padded = torch.cat([tokens, torch.randn(1, length - n, 8)], 1)
                made = net(Code(padded, torch.arange(length)[None] < n)).values
                assert (made - alone).abs().max() < 1e-5


def test_a_placed_token_speaks_to_its_own_place_alone() -> None:
    torch.manual_seed(0)
    net = Image(size=16, grid=4).generator(8).eval()
    tokens = torch.randn(1, 16, 8)
    mask = torch.ones(1, 16, dtype=torch.bool)
    mask[:, 5] = False
    whole = Code(tokens, mask, placed=True)
    x = net.net.places(whole)
    assert (x[:, :, 1, 1] == 0).all() and (x[:, :, 1, 2] != 0).any()
