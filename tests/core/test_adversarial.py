"""Adversarial games against closed forms, SciPy and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from transmodal.core.adversarial import (
    GAMES,
    augmented,
    diversity,
    gradient_penalty,
    spectral,
    steep,
)
from transmodal.core.signal import Signal
from transmodal.plugins.image.modality import Image

REAL, MADE = torch.tensor([2.0, -0.5, 0.25]), torch.tensor([-1.0, 0.75, 3.0])


def test_the_non_saturating_game_is_binary_cross_entropy() -> None:
    game = GAMES["non-saturating"]
    expected = bce(REAL, torch.ones(3)) + bce(MADE, torch.zeros(3))
    torch.testing.assert_close(game.critic(REAL, MADE), expected)
    torch.testing.assert_close(game.maker(MADE), bce(MADE, torch.ones(3)))


def test_least_squares_and_hinge_by_hand() -> None:
    squares = ((1 + 2.25 + 0.5625) / 3 + (1 + 0.5625 + 9) / 3) / 2
    assert GAMES["least-squares"].critic(REAL, MADE).item() == pytest.approx(squares)
    assert GAMES["least-squares"].maker(MADE).item() == pytest.approx((4 + 0.0625 + 4) / 6)
    hinge = (0 + 1.5 + 0.75) / 3 + (0 + 1.75 + 4) / 3
    assert GAMES["hinge"].critic(REAL, MADE).item() == pytest.approx(hinge)
    assert GAMES["hinge"].maker(MADE).item() == pytest.approx(-2.75 / 3)


@pytest.mark.parametrize(("name", "right"), [("hinge", 3 / 6), ("least-squares", 2 / 6)])
def test_how_often_a_critic_is_right(name: str, right: float) -> None:
    assert GAMES[name].right(REAL, MADE).item() == pytest.approx(right)


@pytest.mark.parametrize("name", GAMES)
def test_both_sides_of_a_game_pull_apart(name: str) -> None:
    """Descent on the critic's loss raises D(real) - D(made); on the generator's, D(made)."""
    real, made = (torch.zeros(4, requires_grad=True) for _ in range(2))
    real_slope, made_slope = torch.autograd.grad(GAMES[name].critic(real, made), (real, made))
    (fooling,) = torch.autograd.grad(GAMES[name].maker(made), made)
    assert (real_slope <= 0).all()
    assert (made_slope >= 0).all()
    assert (real_slope - made_slope < 0).all()
    assert (fooling < 0).all()


def test_gradient_penalty_of_a_linear_critic_is_its_squared_norm() -> None:
    w = torch.randn(7)
    x = steep(Signal(torch.randn(5, 7)))
    torch.testing.assert_close(gradient_penalty(x.values @ w, x.values), w.square().sum())


def test_gradient_penalty_against_finite_differences() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    x = torch.randn(4, 3, dtype=torch.float64)
    step = 1e-6
    slopes = [
        (net(x + step * d) - net(x - step * d)).detach() / (2 * step)
        for d in torch.eye(3, dtype=torch.float64)
    ]
    expected = torch.cat(slopes, 1).square().sum(1).mean()
    signal = steep(Signal(x))
    found = gradient_penalty(net(signal.values)[:, 0], signal.values)
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-7)


def test_spectral_norm_divides_by_the_largest_singular_value() -> None:
    torch.manual_seed(0)
    net = spectral(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Conv2d(2, 3, 3)))
    net.train()
    for _ in range(100):  # power iterations, one a pass
        _ = net[0].weight, net[2].weight
    for weight in (net[0].weight, net[2].weight.flatten(1)):
        largest = np.linalg.svd(weight.detach().numpy(), compute_uv=False)[0]
        assert largest == pytest.approx(1, abs=1e-3)


def test_diversity_is_a_ratio_of_mean_distances() -> None:
    torch.manual_seed(0)
    made, real = torch.randn(5, 2, 3), 3 * torch.randn(5, 2, 3)

    def spread(x: torch.Tensor) -> float:
        distances = cdist(x.flatten(1).numpy(), x.flatten(1).numpy())
        return float(np.mean([distances[i, i - 1] for i in range(5)]))

    found = diversity(Signal(made), Signal(real)).item()
    assert found == pytest.approx(spread(made) / spread(real), rel=1e-5)
    assert diversity(Signal(made[:1].expand(5, 2, 3)), Signal(real)) == 0


def test_gradients_pass_augmentation() -> None:
    values = torch.rand(3, 1, 12, 12, requires_grad=True)
    augmented(Image(size=12), Signal(values)).values.sum().backward()
    assert values.grad is not None
    assert bool((values.grad != 0).any())
