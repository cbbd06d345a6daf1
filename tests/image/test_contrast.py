"""Contrast against SciPy's Gaussian, and what it may and may not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from transmodal.plugins.image.contrast import SPREADS, Contrast, blurred


def contrast(*told: float) -> Contrast:
    """For a condition of one number, 1: what it tells each band."""
    made = Contrast(1)
    with torch.no_grad():
        made.linear.bias.copy_(torch.tensor(told))
    return made


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (40, 33)])
@pytest.mark.parametrize("spread", SPREADS)
def test_blurring_against_scipy(size: tuple[int, int], spread: float) -> None:
    x = np.random.default_rng(0).random((2, 3, *size))
    wide = dict(sigma=(0, 0, spread, spread), mode="constant", truncate=50.0)
    wanted = gaussian_filter(x, **wide) / gaussian_filter(np.ones_like(x), **wide)
    np.testing.assert_allclose(blurred(torch.from_numpy(x), spread).numpy(), wanted, atol=1e-9)


def test_it_begins_as_nothing_and_is_learned_from_there() -> None:
    x, style = torch.rand(2, 3, 16, 16), torch.ones(2, 4)
    fresh = Contrast(4)
    made = fresh(x, style)
    torch.testing.assert_close(made, x, rtol=0, atol=0)
    (made[..., 1:] - made[..., :-1]).square().sum().backward()
    assert fresh.linear.bias.grad is not None and bool((fresh.linear.bias.grad > 0).all())


def test_bands_add_up() -> None:
    """Without any band only what is softer than all of them is left, where it is dark."""
    x = torch.rand(2, 3, 24, 24)
    x[:, 1] = 0  # so that every pixel takes its full share
    made = contrast(*[-1.0] * len(SPREADS))(x, torch.ones(2, 1))
    torch.testing.assert_close(made, blurred(x, SPREADS[-1]))


def test_white_stays_white() -> None:
    x = torch.ones(1, 3, 24, 24)
    x[..., 8:16, 8:16] = torch.tensor([0.9, 0.2, 0.1])[:, None, None]
    made = contrast(0.5, -0.7, 0.9, -0.4)(x, torch.ones(1, 1)).detach()
    white = (x == 1).all(1, keepdim=True).expand_as(x)
    assert bool((made[white] == 1).all()) and not torch.equal(made, x)


def test_one_colour_stays_and_numbers_stay_in_range() -> None:
    much = contrast(*[9.0] * len(SPREADS))
    flat = torch.tensor([0.0, 0.4, 1.0]).view(1, 3, 1, 1).expand(1, 3, 12, 20)
    torch.testing.assert_close(much(flat, torch.ones(1, 1)), flat, rtol=0, atol=1e-5)
    made = much(torch.rand(2, 3, 16, 16), torch.ones(2, 1))
    assert float(made.detach().min()) == 0.0 and float(made.detach().max()) == 1.0


def test_a_softer_band_shades_what_is_flat() -> None:
    flat = torch.ones(1, 3, 32, 32)
    flat[..., 8:24, 8:24] = 0.3
    inside = slice(10, 22)
    before = flat[..., inside, inside].flatten().unique().numel()
    made = contrast(0, 0, -0.4, 0)(flat, torch.ones(1, 1))[0, 0, inside, inside]
    assert before == 1 and float(made.detach().std()) > 0.005


def test_each_item_has_its_own_style() -> None:
    x = torch.rand(1, 3, 16, 16).expand(2, -1, -1, -1)
    both = Contrast(1)
    with torch.no_grad():
        both.linear.weight[:, 0] = 0.5
    made = both(x, torch.tensor([[0.0], [1.0]]))
    assert torch.equal(made[0], x[0])
    assert not torch.allclose(made[1], x[1], atol=1e-3)


def test_autocast_costs_no_grey_level() -> None:
    x, style = torch.rand(2, 3, 32, 32), torch.ones(2, 1)
    drawn = contrast(0.5, -0.7, 0.9, -0.4)
    with torch.no_grad():
        wanted = drawn(x, style)
        with torch.autocast("cpu", torch.bfloat16):
            made = drawn(x, style)
    assert made.dtype is torch.float32
    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-3)
