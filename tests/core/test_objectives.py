"""Objectives against closed forms, SciPy and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from transmodal.core import objectives
from transmodal.core.bridges.gated import GatedMixing


def test_kl_against_torch_distributions():
    torch.manual_seed(0)
    mean, std = torch.randn(5, 3), torch.rand(5, 3) + 0.1
    normal = torch.distributions.Normal(mean, std)
    standard = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    expected = torch.distributions.kl_divergence(normal, standard).sum(1)
    torch.testing.assert_close(objectives.gaussian_kl(mean, std), expected)
    assert (objectives.gaussian_kl(mean, std) >= 0).all()


@pytest.mark.parametrize("p", [1, 2])
def test_sliced_wasserstein_against_one_dimensional_transport(p):
    torch.manual_seed(0)
    a, b = torch.randn(40, 1, dtype=torch.float64), torch.randn(40, 1, dtype=torch.float64) * 2
    found = objectives.sliced_wasserstein(a, b, 8, p=p)
    if p == 1:  # in one dimension every direction is +1 or -1
        expected = stats.wasserstein_distance(a[:, 0].numpy(), b[:, 0].numpy())
    else:
        expected = np.mean((np.sort(a[:, 0].numpy()) - np.sort(b[:, 0].numpy())) ** 2)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_sliced_wasserstein_equals_the_loop_over_directions():
    torch.manual_seed(1)
    a, b = torch.randn(3, 20, 5), torch.randn(3, 20, 5)
    torch.manual_seed(2)
    found = objectives.sliced_wasserstein(a, b, 16)
    torch.manual_seed(2)
    w = nn.functional.normalize(torch.randn(5, 16), dim=0)
    gaps = [
        ((x @ w[:, k]).sort().values - (y @ w[:, k]).sort().values).abs().mean()
        for x, y in zip(a, b, strict=True)
        for k in range(16)
    ]
    torch.testing.assert_close(found, torch.stack(gaps).mean())


def test_sliced_wasserstein_is_symmetric_and_zero_on_itself():
    a, b = torch.randn(10, 4), torch.randn(10, 4)
    torch.manual_seed(0)
    one = objectives.sliced_wasserstein(a, b)
    torch.manual_seed(0)
    torch.testing.assert_close(objectives.sliced_wasserstein(b, a), one)
    assert objectives.sliced_wasserstein(a, a[torch.randperm(10)]) < 1e-6
    assert one > 0.1


def test_cross_entropy_leaves_unlabelled_items_out():
    logits = torch.randn(4, 3)
    labels = torch.tensor([2, -1, 0, -1])
    expected = nn.functional.cross_entropy(logits[[0, 2]], labels[[0, 2]])
    torch.testing.assert_close(objectives.labelled_cross_entropy(logits, labels), expected)
    assert objectives.labelled_cross_entropy(logits, torch.full((4,), -1)) == 0


def test_gated_mixing_is_the_published_equation():
    torch.manual_seed(0)
    layer = GatedMixing(3, 4, 2)
    u, h = torch.randn(5, 3), torch.randn(5, 4)
    da = h @ layer.candidate.weight.T + layer.candidate.bias
    gate = torch.sigmoid(da[:, 2:])
    skip = u @ layer.skip.weight.T + layer.skip.bias
    torch.testing.assert_close(layer(u, h), (1 - gate) * skip + gate * da[:, :2])
