"""Judge: an independent classifier that reads a modality's signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy

from ..code import Code
from ..config import check_number
from ..errors import DataError, TrainingError
from ..kernel.distributed import alone
from ..kernel.events import Event, Interrupted
from ..kernel.loop import Kernel
from ..kernel.settings import Training
from ..modality import Modality
from ..seeds import derived_seed, seeded
from ..signal import Signal
from ..stage import UNLABELLED, Adam, Batch, Draw, Phase, Stage
from ..table import Column, Memory, Table

DOMAIN = "real"
STEPS, BATCH, RATE = 1000, 128, 2e-3
WIDTH = 64  # narrow, so that a few hundred items are enough for a Fréchet distance
Precision = Literal["fp32", "bf16", "fp16"]


class Judge(nn.Module):
    """A classifier of a modality's signals: its prenet, pooled, and a linear head.

    It has weights of its own and shares none with the model being judged, so that it reads
    what a translator makes as a stranger would.

    Args:
        modality: whose signals it reads.
        classes: how many classes it tells apart, 2 or more.
        width: d of its features.

    Raises:
        SettingError: ``classes`` or ``width`` is out of range.
    """

    def __init__(self, modality: Modality, classes: int, width: int = WIDTH) -> None:
        check_number("Judge", "classes", classes, 2, integer=True)
        check_number("Judge", "width", width, 1, integer=True)
        super().__init__()
        self.modality = modality
        self.classes = classes
        self.width = width
        self.prenet = modality.prenet(width, pooled=True)
        self.head = nn.Linear(width, classes)

    def forward(self, signal: Signal) -> Tensor:
        """Logits ``[b classes]``, with gradients."""
        logits: Tensor = self.head(self._vector(signal))
        return logits

    def features(self, signal: Signal, batch: int = 512) -> Tensor:
        """``[b width]``: what the head reads, float32 on the CPU, without gradients.

        Raises:
            DataError: there are no items.
        """
        if not len(signal):
            raise DataError("the judge was given no items to read; give at least one")
        device = self.head.weight.device
        mode = self.training
        self.eval()
        try:
            with torch.no_grad():
                parts = [
                    self._vector(signal[start : start + batch].to(device)).float().cpu()
                    for start in range(0, len(signal), batch)
                ]
        finally:
            self.train(mode)
        return torch.cat(parts)

    def decide(self, features: Tensor) -> Tensor:
        """``[b]``: the most probable class for ``features`` of that judge, int64 on the CPU."""
        return self._logits(features).argmax(1)

    def predict(self, signal: Signal, batch: int = 512) -> Tensor:
        """``[b]``: the most probable class of each item, int64 on the CPU."""
        return self.decide(self.features(signal, batch))

    def probabilities(self, signal: Signal, batch: int = 512) -> Tensor:
        """``[b classes]``, rows sum to 1, float32 on the CPU."""
        return self._logits(self.features(signal, batch)).softmax(1)

    def accuracy(self, signal: Signal, labels: Tensor, batch: int = 512) -> float:
        """Share of the labelled items it reads right, in [0, 1].

        Raises:
            DataError: as many labels as items are needed, one of them not ``UNLABELLED``.
        """
        known = _labelled(len(signal), labels, self.classes)
        return float((self.predict(signal, batch)[known] == labels.cpu()[known]).double().mean())

    def similarity(self, one: Signal, other: Signal, batch: int = 512) -> float:
        """Mean cosine of the features of items at the same place, in [-1, 1].

        Of a judge that tells speakers or styles apart: how alike they sound, as speakers are
        verified by (Snyder et al. 2018, x-vectors).

        Raises:
            DataError: not as many of one as of the other, or none.
        """
        if len(one) != len(other):
            raise DataError(f"{len(one)} items cannot be held against {len(other)}; give pairs")
        pairs = self.features(one, batch), self.features(other, batch)
        return float(cosine_similarity(*pairs).double().mean())

    def _vector(self, signal: Signal) -> Tensor:
        code: Code = self.prenet(signal)
        return code.vector

    def _logits(self, features: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = self.head(features.to(self.head.weight.device))
        return logits.float().cpu()


def train_judge(
    modality: Modality,
    signal: Signal,
    labels: Tensor,
    classes: int,
    *,
    seed: int = 0,
    steps: int = STEPS,
    batch: int = BATCH,
    lr: float = RATE,
    width: int = WIDTH,
    device: str = "auto",
    precision: Precision = "bf16",
    show: Callable[[Iterator[Event]], Iterator[Event]] = iter,
) -> Judge:
    """A judge trained on real, labelled training signals, augmented by their modality.

    Cross-entropy, Adam with a cosine schedule, through the same kernel that trains bridges.
    Batches hold every class equally often. torch's global random state is left as it was. Of
    several processes each trains one of its own, which are the same.

    Args:
        modality: whose signals these are.
        signal: m items of the training data.
        labels: ``[m]`` class indices; items labelled ``UNLABELLED`` (-1) are left out.
        classes: how many classes there are, 2 or more.
        seed: of weights, order and augmentation.
        steps: of training.
        batch: items a step.
        lr: peak learning rate.
        width: d of the judge's features.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        show: passes the kernel's events on, such as a progress bar does.

    Returns:
        The judge, in eval mode and with its weights frozen, on the training device.

    Raises:
        DataError: labels that do not fit the items, or none at all.
        SettingError: a setting is out of range.
        TrainingError: a signal ended the training, or its gradients were not finite for long.
    """
    _labelled(len(signal), labels, classes)
    return _train(
        modality,
        Memory(signal, labels.cpu().long()),
        classes,
        seed=seed,
        steps=steps,
        batch=batch,
        lr=lr,
        width=width,
        device=device,
        precision=precision,
        show=show,
    )


def train_judges(
    domains: Mapping[str, Modality], table: Table, *, seed: int = 0, **settings: Any
) -> dict[str, Judge]:
    """A judge for each domain, trained on the labelled items of its column.

    Args:
        domains: name -> Modality.
        table: real training items; columns may be streamed.
        seed: of all of them; each domain's judge gets one of its own out of it.
        settings: of ``train_judge``.

    Raises:
        DataError: there are no classes, or a domain has no labelled items.
        UnknownNameError: the table holds no such domain.
    """
    judges = {}
    for domain, modality in domains.items():
        column = table.column(domain)
        _labelled(len(column), column.labels, len(table.classes))
        own = derived_seed(seed, "judge", domain)
        judges[domain] = _train(modality, column, len(table.classes), seed=own, **settings)
    return judges


def _train(
    modality: Modality,
    column: Column,
    classes: int,
    *,
    seed: int = 0,
    steps: int = STEPS,
    batch: int = BATCH,
    lr: float = RATE,
    width: int = WIDTH,
    device: str = "auto",
    precision: Precision = "bf16",
    show: Callable[[Iterator[Event]], Iterator[Event]] = iter,
) -> Judge:
    table = Table({DOMAIN: column}, tuple(str(c) for c in range(classes)))
    with torch.random.fork_rng(), seeded(seed):  # the training reseeds every device
        judge = Judge(modality, classes, width)
        draws = [Draw(DOMAIN, (DOMAIN,), batch, labelled=True, balanced=True)]
        phase = Phase(
            "judge",
            [judge],
            _Objective(judge, seed),
            optimizer=Adam(lr=lr, schedule="cosine", warmup=min(50, steps // 10)),
            clip=5.0,
        )
        settings = Training(precision=precision, device=device, seed=seed)
        stage = Stage("judge", steps, [phase], draws)
        with alone():
            for event in show(Kernel(judge, [stage], table, settings).run()):
                if isinstance(event, Interrupted):
                    raise TrainingError(
                        f"a judge's training was ended by {event.signal} at step {event.step} of "
                        f"{steps}; half a judge judges nothing, so start it again"
                    )
    return judge.eval().requires_grad_(False)


class _Objective:
    """Cross-entropy of the judge on augmented items."""

    def __init__(self, judge: Judge, seed: int) -> None:
        self.judge = judge
        self.seed = seed
        self.generator: torch.Generator | None = None

    def __call__(self, batches: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        batch = batches[DOMAIN]
        signal = batch.signals[DOMAIN]
        if self.generator is None:
            self.generator = torch.Generator(signal.values.device).manual_seed(self.seed)
        logits = self.judge(self.judge.modality.augment(signal, self.generator))
        labels = batch.labels[DOMAIN].to(logits.device)
        return {"cross_entropy": cross_entropy(logits.float(), labels)}


def _labelled(items: int, labels: Tensor, classes: int) -> Tensor:
    """``[m]`` booleans on the CPU: which items have a label."""
    labels = labels.cpu()
    if labels.shape != (items,):
        raise DataError(
            f"{items} items need as many labels, not labels of shape {list(labels.shape)}"
        )
    known = labels != UNLABELLED
    if not bool(known.any()):
        raise DataError("a judge learns and is tested on labelled items, and none has a label")
    low, high = int(labels[known].min()), int(labels[known].max())
    if low < 0 or high >= classes:
        raise DataError(
            f"labels run from {low} to {high}, but {classes} classes are numbered "
            f"0 to {classes - 1}"
        )
    return known
