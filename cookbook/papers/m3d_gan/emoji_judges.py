"""Who judges made emoji: a classifier of styles, and what an ImageNet network takes them for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transmodal.cookbook.papers.cm_gans.sets import STYLES
from transmodal.cookbook.papers.m3d_gan.emoji import Concepts
from transmodal.cookbook.papers.m3d_gan.mobilenet import TEXTURES, Features, mobilenet
from transmodal.cookbook.work import Work
from transmodal.core.seeds import derived_seed
from transmodal.core.signal import Signal
from transmodal.core.stage import Adam, Batches, Draw, Phase, Stage
from transmodal.core.table import Memory, Table

STEPS, RATE = 1600, 2e-3  # of the classifier of styles
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

    styles: StyleJudge
    features: Features
    glance: Features
    real: Mapping[str, Tensor]

    def realism(self, made: Tensor, style: str) -> float:
        """The share of pictures ``[m 3 s s]`` that are taken for the style."""
        read = self.styles.predict(made)
        return float((read == STYLES.index(style)).double().mean())

    def identity(self, made: Tensor, style: str, concepts: Tensor | None = None) -> float:
        """How often a picture's nearest real one of the style is that of its concept, top 1.

        Nearest by the cosine of the frozen network's features; chance is 1 / n.

        Args:
            made: ``[m 3 s s]``.
            style: in which they were to be drawn.
            concepts: ``[m]`` which of the n they are to show; i for picture i where None.
        """
        nearest = (self.features(made) @ self.real[style].T).argmax(1)
        wanted = torch.arange(len(made)) if concepts is None else concepts
        return float((nearest == wanted).double().mean())

    def diversity(self, made: Tensor) -> float:
        """Mean distance between the k pictures made of one input, ``[n k 3 s s]``.

        Euclidean, between the frozen network's features of length 1: 0 where they are all one.
        It stands in for LPIPS (Zhang et al. 2018), whose weights do not come with pip.
        """
        n, k = made.shape[:2]
        features = self.glance(made.flatten(0, 1)).view(n, k, -1)
        apart = torch.stack([F.pdist(x) for x in features])
        return float(apart.mean())


class StyleJudge(nn.Module):
    """A classifier of styles by texture: a frozen network's early maps, and a small perceptron.

    A thousand concepts are few for a convolutional network of its own.

    Args:
        features: the frozen network, no part of the state.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("mean", torch.zeros(TEXTURES))
        self.register_buffer("spread", torch.ones(TEXTURES))
        self.head = nn.Sequential(
            nn.Dropout(0.3),
            nn.Linear(TEXTURES, 128),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(128, len(STYLES)),
        )

    def loss(self, batches: Batches) -> dict[str, Tensor]:
        """Cross-entropy of textures."""
        batch = batches["real"]
        logits = self.head((batch.signals["real"].values - self.mean) / self.spread)
        return {"style": F.cross_entropy(logits.float(), batch.labels["real"].to(logits.device))}

    @torch.no_grad()
    def predict(self, pictures: Tensor) -> Tensor:
        """``[n 3 h w]`` in [0, 1] -> ``[n]``, indices of ``STYLES``."""
        texture = self.features.texture(pictures)
        style: Tensor = self.head((texture - self.mean) / self.spread).argmax(1)
        return style


def style_judge(work: Work, train: Concepts, features: Features, tag: str = "") -> StyleJudge:
    """The classifier of styles, out of the folder or trained now on real training concepts.

    Args:
        work: the folder; for a quick look, every fifth concept is enough.
        train: the concepts.
        features: the frozen network.
        tag: names what it is trained for.
    """
    name = f"judge-emoji-styles{tag}"

    def learn(net: StyleJudge) -> None:
        pictures = train.pictures[:: 5 if work.quick else 1].flatten(0, 1)
        texture = torch.cat([features.texture(part.float() / 255) for part in pictures.split(500)])
        net.mean.copy_(texture.mean(0))
        net.spread.copy_(texture.std(0) + 1e-4)
        labels = torch.arange(len(STYLES)).repeat(len(pictures) // len(STYLES))
        table = Table({"real": Memory(Signal(texture), labels)}, STYLES)
        adam = Adam(RATE, weight_decay=0.1, schedule="cosine", warmup=50)
        phase = Phase("head", [net.head], net.loss, optimizer=adam)
        draw = Draw("real", ("real",), 128, labelled=True)
        work.train(
            name, net, [Stage("styles", max(300, work.steps(STEPS)), [phase], [draw])], table
        )

    torch.manual_seed(derived_seed(name))
    return work.keep(name, StyleJudge(features), learn)


def judges(work: Work, train: Concepts, test: Concepts, tag: str = "") -> Judges:
    """The judges of pictures made of the test concepts; see ``style_judge``.

    Raises:
        DataError: the frozen network's weights are not installed.
    """
    glance = mobilenet(GLANCE)
    features = glance if work.quick else Features(glance.net, SEEN)
    real = {style: features(test.of(style).values) for style in STYLES}
    return Judges(style_judge(work, train, glance, tag), features, glance, real)


def known(judge: StyleJudge, test: Concepts) -> dict[str, float]:
    """The accuracy of the classifier on real pictures of the test concepts, and for each style."""
    right = {}
    for k, style in enumerate(STYLES):
        read = judge.predict(test.of(style).values)
        right[f"styles/{style}"] = float((read == k).double().mean())
    return {"styles": sum(right.values()) / len(right), **right}
