"""Who judges made emoji: a classifier of styles, and what an ImageNet network takes them for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from transmodal.cookbook.papers.cm_gans.sets import STYLES
from transmodal.cookbook.papers.latent_transfer.models import Work
from transmodal.cookbook.papers.m3d_gan.emoji import SIZE, Concepts
from transmodal.cookbook.papers.m3d_gan.mobilenet import Features, mobilenet
from transmodal.core.evaluation.judge import Judge, train_judge
from transmodal.core.kernel.progress import show
from transmodal.core.signal import Signal
from transmodal.registry import Registry

STEPS = 1000
SEEN = 224  # pixels of a side the ImageNet network was trained on
GLANCE = 128  # and at which it is five times as fast


@dataclass(frozen=True)
class Judges:
    """What made pictures are held against.

    Args:
        styles: a classifier of the five styles, trained on real training concepts.
        features: a frozen network that has never seen emoji.
        glance: the same on smaller pictures, for distances between very many.
        real: style -> features ``[n 1280]`` of the test concepts' real pictures.
    """

    styles: Judge
    features: Features
    glance: Features
    real: Mapping[str, Tensor]

    def realism(self, made: Tensor, style: str) -> float:
        """The share of pictures ``[m 3 64 64]`` that are taken for the style."""
        read = self.styles.predict(Signal(made))
        return float((read == STYLES.index(style)).double().mean())

    def identity(self, made: Tensor, style: str, concepts: Tensor | None = None) -> float:
        """How often a picture's nearest real one of the style is that of its concept, top 1.

        Nearest by the cosine of the frozen network's features; chance is 1 / n.

        Args:
            made: ``[m 3 64 64]``.
            style: in which they were to be drawn.
            concepts: ``[m]`` which of the n they are to show; i for picture i where None.
        """
        nearest = (self.features(made) @ self.real[style].T).argmax(1)
        wanted = torch.arange(len(made)) if concepts is None else concepts
        return float((nearest == wanted).double().mean())

    def diversity(self, made: Tensor) -> float:
        """Mean distance between the k pictures made of one input, ``[n k 3 64 64]``.

        Euclidean, between the frozen network's features of length 1: 0 where they are all one.
        It stands in for LPIPS (Zhang et al. 2018), whose weights do not come with pip.
        """
        n, k = made.shape[:2]
        features = self.glance(made.flatten(0, 1)).view(n, k, -1)
        apart = torch.stack([F.pdist(x) for x in features])
        return float(apart.mean())


def style_judge(work: Work, train: Concepts) -> Judge:
    """The classifier of styles, out of the folder or trained now on real training concepts."""
    image = Registry.load().modality("image")
    modality = image(size=SIZE, channels=3, augmentation=0.25, flip=True)

    def learn(net: Judge) -> None:
        n = len(train)
        pictures = Signal(train.pictures.flatten(0, 1).float() / 255)
        labels = torch.arange(len(STYLES)).repeat(n)
        own = train_judge(
            modality, pictures, labels, len(STYLES), seed=12345, steps=max(60, work.steps(STEPS)),
            batch=64, show=show,
        )  # fmt: skip
        net.load_state_dict(own.state_dict())

    return work.keep("judge-styles", Judge(modality, len(STYLES)), learn)


def judges(work: Work, train: Concepts, test: Concepts) -> Judges:
    """The judges of pictures made of the test concepts.

    Raises:
        DataError: the frozen network's weights are not installed.
    """
    features = mobilenet(SEEN)
    real = {style: features(test.of(style).values) for style in STYLES}
    glance = Features(features.net, GLANCE)
    return Judges(style_judge(work, train), features, glance, real)


def known(judge: Judge, test: Concepts) -> dict[str, float]:
    """The accuracy of the classifier on real pictures of the test concepts, and for each style."""
    right = {}
    for k, style in enumerate(STYLES):
        labels = torch.full((len(test),), k)
        right[f"styles/{style}"] = judge.accuracy(test.of(style), labels)
    return {"styles": sum(right.values()) / len(right), **right}
