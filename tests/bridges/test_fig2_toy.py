"""The paper's Fig. 2: two ellipses in the plane, joined by the bridging VAE."""

from __future__ import annotations

import math

import pytest
import torch

from transmodal.core.bridges.bridging_vae import BridgingVAE
from transmodal.core.kernel import Kernel, Training
from transmodal.core.latents.base import LatentModel
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table


class Points(LatentModel):
    """The plane as its own latent space."""

    def posterior(self, signal):
        return signal.values, torch.zeros_like(signal.values)

    def decode(self, z):
        return Signal(z)

    def stages(self, domain, reader):
        return []

    def latents(self, column, generator, reader):
        z = column.take(torch.arange(len(column))).values
        return Memory(Signal(torch.stack([z, torch.zeros_like(z)], 1)), column.labels, column.rows)


def ellipses(n, seed):
    """Domain a's classes lie up and down, domain b's left and right (App. A, Fig. 7)."""
    g = torch.Generator().manual_seed(seed)

    def points(x, y):
        return torch.stack([x, y], 1) + 0.025 * torch.randn(n, 2, generator=g)

    t, s = (torch.rand(n, generator=g) * 2 * math.pi for _ in range(2))
    a = points(t.cos() - 0.5, 0.5 * t.sin())
    shifted = s + math.pi / 2
    b = points(0.5 * shifted.cos() + 0.5, shifted.sin())
    columns = {
        "a": Memory(Signal(a), (t > math.pi).long()),
        "b": Memory(Signal(b), (s > math.pi).long()),
    }
    return Table(columns, ("first", "second"))


def train(seed=0, **settings):
    bridge = BridgingVAE(
        latent=2, width=2, hidden=32, depth=3, kl=0.025, swd=0.2, reading=0.0, projections=32,
        batch=128, steps=700, lr=5e-3, **settings,
    )  # fmt: skip
    torch.manual_seed(seed)
    modality = object()
    bridge.make_model = lambda *_: Points(modality, 2)  # type: ignore[method-assign]
    bridge.connect({"a": modality, "b": modality}, 2)  # type: ignore[dict-item]
    list(Kernel(bridge, bridge.stages(), ellipses(4000, seed), Training(device="cpu")).run())
    return bridge.eval()


@torch.no_grad()
def transfer(bridge, table, source, target):
    column = table.columns[source]
    made = bridge.decode(bridge.encode(column.signal, source), target).values
    if target == "a":
        label = (made[:, 1] < 0).long()
        radius = torch.hypot(made[:, 0] + 0.5, made[:, 1] / 0.5)
    else:
        label = (made[:, 0] > 0.5).long()
        radius = torch.hypot((made[:, 0] - 0.5) / 0.5, made[:, 1])
    return (label == column.labels).float().mean().item(), (radius - 1).abs().median().item()


@pytest.mark.parametrize(("source", "target"), [("a", "b"), ("b", "a")])
def test_points_keep_their_class_and_land_on_the_other_ellipse(toy, source, target):
    accuracy, off = transfer(toy, ellipses(1000, 99), source, target)
    assert accuracy > 0.9  # chance 0.5
    assert off < 0.25  # of a radius of 1


def test_neighbours_stay_neighbours(toy):
    """Locality: a small step in one domain is a small step in the other, almost everywhere."""
    t = torch.linspace(0, 2 * math.pi, 400)
    a = torch.stack([t.cos() - 0.5, 0.5 * t.sin()], 1)
    with torch.no_grad():
        made = toy.decode(toy.encode(Signal(a), "a"), "b").values
    steps = (made[1:] - made[:-1]).norm(dim=1)
    assert steps.quantile(0.95) < 0.1  # twice the largest step of an even walk: 2 pi / 400 * 3


def test_without_telling_the_domain_there_is_no_transfer():
    """The paper's first ablation: an unconditional VAE gives back the point it was given."""
    bridge = train(conditional=False)
    test = ellipses(1000, 99)
    with torch.no_grad():
        signal = test.columns["a"].signal
        there = bridge.decode(bridge.encode(signal, "a"), "b").values
        back = bridge.decode(bridge.encode(signal, "a"), "a").values
    torch.testing.assert_close(there, back)


@pytest.fixture(scope="module")
def toy():
    return train(classification=0.5)
