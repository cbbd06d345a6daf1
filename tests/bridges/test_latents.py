"""Latent models and readers on a problem they learn in a second."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from transmodal.core.errors import TrainingError
from transmodal.core.kernel import Kernel, Training
from transmodal.core.latents.gan import GAN
from transmodal.core.latents.reader import Reader
from transmodal.core.latents.self_training import SelfTraining
from transmodal.core.latents.vae import VAE
from transmodal.core.signal import Signal
from transmodal.core.stage import UNLABELLED
from transmodal.core.table import Memory, Table

from toys import Dots, dots

CLASSES = 3


def table(n=120, labelled=None):
    values, labels = dots(n, classes=CLASSES)
    if labelled is not None:
        labels = torch.where(torch.arange(n) < labelled, labels, UNLABELLED)
    return Table({"a": Memory(Signal(values), labels)}, tuple(map(str, range(CLASSES))))


def train(modules, stages, data, seed=0):
    list(Kernel(nn.ModuleList(modules), stages, data, Training(device="cpu", seed=seed)).run())


def make(cls, **settings):
    torch.manual_seed(0)
    return cls(Dots(), **settings)


@pytest.fixture(scope="module")
def reader():
    made = make(Reader, classes=CLASSES, steps=150, batch=30)
    train([made], [made.stage("a")], table())
    return made.requires_grad_(False)


def test_a_reader_reads(reader):
    values, labels = dots(60, classes=CLASSES, seed=9)
    assert (reader(Signal(values)).argmax(1) == labels).float().mean() > 0.95  # chance 1/3


def test_self_training_names_what_has_no_label_and_leaves_labels_alone():
    data = table(labelled=6)
    made = make(
        SelfTraining, classes=CLASSES, steps=200, labelled=6, unlabelled=60, sure=0.7, keep=0.9
    )
    train([made], [made.stage("a")], data)
    named = made.name(data, "a").columns["a"].labels
    truth = table().columns["a"].labels
    known = named != UNLABELLED
    assert torch.equal(named[:6], truth[:6])
    assert 0.85 < known.float().mean() < 0.97  # keep 0.9 of the unlabelled
    assert (named[known] == truth[known]).float().mean() > 0.9
    assert torch.equal(data.columns["a"].labels[6:], torch.full((114,), UNLABELLED))


def test_the_teacher_is_the_average_of_the_student():
    made = make(SelfTraining, classes=CLASSES, steps=10)
    mine = [p.detach().clone() for p in (*made.prenet.parameters(), *made.head.parameters())]
    with torch.no_grad():
        for p in (*made.prenet.parameters(), *made.head.parameters()):
            p += 1.0
    made._follow()  # played 0: the teacher moves nine tenths of the way
    for teacher, start in zip(made.teacher.parameters(), mine, strict=True):
        torch.testing.assert_close(teacher, start + 0.9)


def test_a_vae_keeps_the_class_in_z_and_in_what_it_decodes(reader):
    made = make(VAE, width=4, classes=CLASSES, class_weight=1.0, reading=1.0, steps=300, copies=2)
    data = table()
    train([made, reader], made.stages("a", reader), data)
    values, labels = dots(60, classes=CLASSES, seed=9)
    with torch.no_grad():
        mean, std = made.posterior(Signal(values))
        assert (made.head(mean).argmax(1) == labels).float().mean() > 0.9
        assert (reader(made.decode(mean)).argmax(1) == labels).float().mean() > 0.9
    assert (std > 0).all()
    latents = made.latents(data.columns["a"], torch.Generator().manual_seed(0), None)
    assert latents.signal.values.shape == (3 * 120, 2, 4)
    assert torch.equal(latents.labels, data.columns["a"].labels.repeat(3))
    again = made.latents(data.columns["a"], torch.Generator().manual_seed(0), None)
    assert torch.equal(latents.signal.values, again.signal.values)


def test_points_on_the_way_to_the_mean_of_their_class():
    made = make(VAE, width=2, classes=CLASSES, class_weight=1.0)
    mean = torch.randn(30, 2)
    labels = torch.arange(30) % CLASSES
    found = made._towards_means(mean, labels)
    for label in range(CLASSES):
        mine = labels == label
        centre = mean[mine].mean(0)
        way, whole = found[mine] - centre, mean[mine] - centre
        part = (way * whole).sum(1) / whole.square().sum(1)
        assert ((part >= 0) & (part <= 1)).all()
        torch.testing.assert_close(way, part[:, None] * whole, atol=1e-5, rtol=1e-4)


def test_the_published_vae_has_no_class_terms():
    made = make(VAE, width=2)
    values, labels = dots(12)
    assert set(made.loss(Signal(values), labels, None)) == {"reconstruction", "kl"}


def test_rejection_sampling_keeps_the_most_confident_of_every_class(reader):
    made = make(GAN, width=4, classes=CLASSES, steps=1500, batch=32, lr=2e-3, keep=40, pool=150)
    data = table()
    train([made], made.stages("a", reader), data)
    kept = made.latents(data.columns["a"], torch.Generator().manual_seed(0), reader)
    assert torch.bincount(kept.labels).tolist() == [40] * CLASSES
    assert (kept.signal.values[:, 1] == 0).all()  # points: no posterior
    with torch.no_grad():
        made_of = made.decode(kept.signal.values[:, 0])
        sure = reader(made_of).softmax(1).gather(1, kept.labels[:, None])
        anyhow = reader(made.decode(torch.randn(500, 4))).softmax(1).max(1).values
        back = made.posterior(made_of)[0]
    assert (reader(made_of).argmax(1) == kept.labels).all()
    assert sure.mean() > anyhow.mean()
    error = (back - kept.signal.values[:, 0]).square().mean()
    assert error < 0.9  # the learned inverse beats the prior's mean, whose error is 1


def test_a_class_that_is_never_made_is_named():
    made = make(GAN, width=4, classes=CLASSES, pool=5)

    class Blind(Reader):
        def forward(self, signal):
            return torch.tensor([1.0, 0.0, 0.0]).expand(len(signal), 3)

    with pytest.raises(TrainingError, match=r"never makes an item of class \[1, 2\]"):
        made.latents(table().columns["a"], torch.Generator(), Blind(Dots(), CLASSES))
