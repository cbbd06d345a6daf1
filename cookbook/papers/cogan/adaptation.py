"""Domain adaptation (CoGAN sec. 5): labels in one set of digits, a classifier for the other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from transmodal.cookbook.files import read_weights, write_weights
from transmodal.cookbook.papers.latent_transfer.sets import CLASSES, load, root
from transmodal.cookbook.work import Work
from transmodal.core.bridges.weight_tying import WeightTying
from transmodal.core.errors import DataError
from transmodal.core.objectives import labelled_cross_entropy
from transmodal.core.signal import Signal
from transmodal.core.stage import UNLABELLED, Batches, Draw, Phase, Stage
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator
from transmodal.plugins.image.modality import Image

WAYS = (("mnist", "usps"), ("usps", "mnist"))
SIDE = 20  # pixels that a USPS digit fills in a frame of 28, as MNIST's do


class Classifier(WeightTying):
    """The classifier of weight tying alone: neither generators nor critics learn.

    Without a game nothing teaches the target's own first layer to tell the same features, so
    both domains are read through the source's.
    """

    name: ClassVar[str] = "classifier"

    def build_game(self) -> None:
        super().build_game()
        for module in (self.trunk, self.ends, self.summit[-1]):
            module.requires_grad_(False)
        source, *others = self.domains
        for domain in others:
            self.entrances[domain].requires_grad_(False)
        self.source = source

    def features(self, signals: Mapping[str, Signal]) -> dict[str, Tensor]:
        joined = super().features({self.source: Signal.cat(list(signals.values()))})[self.source]
        parts = joined.split([len(signal) for signal in signals.values()])
        return dict(zip(signals, parts, strict=True))

    def classify(self, signal: Signal, domain: str) -> Tensor:
        self.check_domain(domain)
        return super().classify(signal, self.source)

    def reading(self, batches: Batches) -> dict[str, Tensor]:
        """The classifier's cross-entropies on augmented items."""
        signals = batches["items"].signals
        if not self.consistency:  # then only labelled items teach
            assert self.head is not None
            self.average.follow(self.readers())
            seen = self.seen({self.source: signals[self.source]})
            read = self.head(self.features(seen)[self.source])
            known = batches["items"].labels[self.source].to(read.device)
            return {"class": self.classification * labelled_cross_entropy(read, known)}
        features = self.features(self.seen(signals))
        return self.class_terms(batches, torch.cat([features[d] for d in self.domains]))

    def stages(self) -> list[Stage]:
        learns: list[nn.Module] = [self.entrances, self.summit]
        if self.head is not None:
            learns.append(self.head)
        phase = Phase("classifier", learns, self.reading, optimizer=self.adam(self.critic_rate))
        draws = [Draw("items", tuple(self.domains), self.batch)]
        return [Stage("classifier", self.steps, [phase], draws)]


ROWS: Mapping[str, tuple[type[WeightTying], dict[str, Any]]] = {
    "source_only": (Classifier, {"consistency": 0.0}),
    "additions": (Classifier, {"consistency": 1.0}),
    "cogan": (WeightTying, {"consistency": 0.0, "matching": 0.01}),
    "both": (WeightTying, {"consistency": 1.0, "matching": 0.01}),
}
COMMON: Mapping[str, Any] = {
    "steps": 2400, "batch": 64, "lead": 0.0, "warmup": 200, "classification": 1.0,
    "augment": True, "inverse_steps": 0,
}  # fmt: skip


def digits(name: str) -> tuple[Memory, Memory]:
    """Training and test items of ``mnist`` or ``usps``, ``[n 1 28 28]``, digits in one frame."""
    if name == "mnist":
        data = load(name)
        return data.train, data.test
    path = root() / "usps" / "usps.npz"
    if not path.is_file():
        raise DataError(f"no such data set: {path}")
    arrays = np.load(path)

    def memory(part: str) -> Memory:
        pictures = torch.from_numpy(arrays[f"{part}_images"]).float() / 255
        labels = torch.from_numpy(arrays[f"{part}_labels"].astype(np.int64))
        return Memory(Signal(framed(pictures[:, None])), labels)

    return memory("train"), memory("test")


def framed(pictures: Tensor) -> Tensor:
    """``[n 1 h w]`` resized to 20 x 20, in 28 x 28 with the centre of mass in the middle."""
    small = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear")[:, 0]
    mass = small.sum((1, 2)).clamp(min=1e-6)
    place = torch.arange(SIDE)
    offsets = []
    for axis in (1, 2):
        centre = (small.sum(3 - axis) * place).sum(1) / mass
        offsets.append((13.5 - centre).round().long().clamp(0, 28 - SIDE))
    rows, columns = (offset[:, None] + place for offset in offsets)
    made = torch.zeros(len(small), 28, 28)
    made[torch.arange(len(small))[:, None, None], rows[:, :, None], columns[:, None, :]] = small
    return made[:, None]


def adapted_file(source: str, target: str, row: str, seed: int) -> str:
    """The file of what ``train`` keeps, in the work folder."""
    return f"adapted/{source}-{target}-{row}-{seed}.safetensors"


def train(work: Work, source: str, target: str, row: str, seed: int) -> Translator:
    """The translator of a row of the table, out of the work folder or trained now.

    Raises:
        CheckpointError: what is in the folder is damaged, or of another net.
    """
    kind, settings = ROWS[row]
    given = {**COMMON, **settings}
    if work.quick:
        given |= {"steps": given["steps"] // 10, "batch": 32, "warmup": 20}
    domains = {name: Image(waist=1, augmentation=1.5, roughness=1.0) for name in (source, target)}
    known, unknown = digits(source)[0], digits(target)[0]
    nothing = torch.full((len(unknown),), UNLABELLED)
    table = Table({source: known, target: Memory(unknown.signal, nothing)}, CLASSES)
    translator = Translator(domains, kind(**given))
    translator.connect(CLASSES, seed=seed)
    name = f"{source}-{target}-{row}-{seed}"
    kept = work.folder / adapted_file(source, target, row, seed)
    if kept.is_file():
        read_weights(kept, translator.bridge)
        return translator
    translator.fit(
        table, precision=work.precision, seed=seed, checkpoint=work.folder / "states" / name
    )
    write_weights(kept, translator.bridge)
    return translator


def accuracy(translator: Translator, domain: str, test: Memory) -> float:
    """Share of items that the classifier reads right."""
    bridge = translator.bridge
    assert isinstance(bridge, WeightTying)
    with torch.no_grad():
        read = [
            bridge.classify(test.signal[i : i + 500], domain).argmax(1)
            for i in range(0, len(test), 500)
        ]
    return float((torch.cat(read) == test.labels).double().mean())


def adapted(work: Work, source: str, target: str, row: str, seed: int) -> dict[str, float]:
    """A classifier trained on the source's labels, asked about the target's test items.

    Args:
        work: folder of weights and values.
        source, target: names of sets.
        row: of ``ROWS``.
        seed: of weights, order and augmentation.
    """

    def measure() -> dict[str, float]:
        started = time.process_time(), time.perf_counter()
        translator = train(work, source, target, row, seed)
        values = {
            "processor seconds": time.process_time() - started[0],
            "seconds": time.perf_counter() - started[1],
        }
        for domain in (source, target):
            test = digits(domain)[1]
            values[domain], values[f"n/{domain}"] = accuracy(translator, domain, test), len(test)
        return values

    of = [adapted_file(source, target, row, seed)]
    return work.remember(f"{source}-{target}-{row}-{seed}", measure, of)
