"""Self-training: labels for the many from the labels of a few."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..kernel.distributed import average
from ..modality import Modality
from ..signal import Signal
from ..stage import UNLABELLED, Batch, Draw, Stage
from ..table import Memory, Table
from .reader import Reader, over


class SelfTraining(Reader):
    """A reader that learns from few labels and names the rest.

    FixMatch: a teacher, the running average of the student, reads an item as it is; where it is
    sure, the student must read the item the same way after the modality's augmentation. The
    teacher's answers are scaled so that every class is named equally often.

    Source: Sohn et al. 2020, Eq. 3 and 4, with distribution alignment after Berthelot et al.
    2020. The teacher's average (Tarvainen & Valpola 2017) is our addition.

    Args:
        modality: of the domain.
        classes: number of classes.
        width: of the features its linear head reads.
        steps: of training.
        labelled, unlabelled: items of each kind in a batch.
        sure: probability above which the teacher's answer counts.
        keep: share of the items named as each class that keep the name, most certain first.
    """

    seen: Tensor
    played: Tensor

    def __init__(
        self,
        modality: Modality,
        classes: int,
        *,
        width: int = 64,
        steps: int = 1200,
        labelled: int = 50,
        unlabelled: int = 192,
        sure: float = 0.9,
        keep: float = 0.9,
    ) -> None:
        super().__init__(modality, classes, width=width, steps=steps, batch=labelled)
        self.unlabelled, self.sure, self.keep = unlabelled, sure, keep
        # A handful of labels is soon learnt by heart; dropout keeps the features honest.
        self.head = nn.Sequential(nn.Dropout(0.5), self.head)
        student = [self.prenet, self.head]
        self.teacher = copy.deepcopy(nn.Sequential(*student)).requires_grad_(False)
        self.register_buffer("seen", torch.full((classes,), 1 / classes))
        self.register_buffer("played", torch.zeros(()))

    def stage(self, domain: str) -> Stage:
        """How it learns from the items of ``domain``, labelled and not."""
        draws = [
            Draw("labelled", (domain,), self.batch, balanced=True),
            Draw("items", (domain,), self.unlabelled),
        ]

        def objective(given: Mapping[str, Batch]) -> dict[str, Tensor]:
            few, many = given["labelled"], given["items"]
            return self.loss(few.signals[domain], few.labels[domain], many.signals[domain])

        return self._stage(domain, objective, draws)

    def taught(self, signal: Signal) -> Tensor:
        """The teacher's logits ``[b classes]``."""
        prenet, head = self.teacher
        logits: Tensor = head(prenet(signal).vector)
        return logits.float()

    def loss(self, few: Signal, labels: Tensor, many: Signal) -> dict[str, Tensor]:
        """The terms on a labelled and an unlabelled batch."""
        self._follow()
        with torch.no_grad():
            # One item that is not finite must not spoil the running mean for good.
            belief = self.taught(many).softmax(1).nan_to_num()
            self.seen.lerp_(average(belief.mean(0)), 0.02)
            belief = F.normalize(belief / self.seen, p=1, dim=1)
            certainty, named = belief.max(1)
            # Until the labelled items have taught it something, the teacher is not asked.
            counts = (certainty > self.sure) & (self.played > self.steps / 5)
        seen = self.modality.augment(Signal.cat([few, many]), torch.default_generator)
        logits = self(seen).float()
        n = len(few)
        consistency = F.cross_entropy(logits[n:], named, reduction="none") * counts
        return {
            "class": F.cross_entropy(logits[:n], labels),
            "consistency": consistency.mean(),
        }

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the teacher towards the student, fast at first."""
        rate = 1 - ((self.played + 1) / (self.played + 10)).clamp(max=0.99)
        mine = [*self.prenet.parameters(), *self.head.parameters()]
        for mean, value in zip(self.teacher.parameters(), mine, strict=True):
            mean.lerp_(value, rate.to(value.dtype))
        self.played += 1

    @torch.no_grad()
    def name(self, table: Table, domain: str) -> Table:
        """The table with names for the unlabelled items of a domain that it is sure enough of."""
        column = table.column(domain)
        everything = torch.arange(len(column))
        signal = column.take(everything)
        device = self.seen.device
        logits = over(signal, lambda part: self.taught(part.to(device))).cpu()
        certainty, named = logits.softmax(1).max(1)
        unknown = column.labels == UNLABELLED
        labels = column.labels.clone()
        for label in range(logits.shape[1]):
            mine = (unknown & (named == label)).nonzero()[:, 0]
            best = certainty[mine].argsort(descending=True)[: round(self.keep * len(mine))]
            labels[mine[best]] = label
        return replace(
            table, columns={**table.columns, domain: Memory(signal, labels, column.rows)}
        )
