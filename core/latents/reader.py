"""Reader: a classifier of one domain's signals, for the latent models to lean on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..modality import Modality
from ..objectives import labelled_cross_entropy
from ..signal import Signal
from ..stage import Adam, Batch, Draw, Phase, Stage
from ..table import Table

CHUNK = 1000  # items read at a time


class Reader(nn.Module):
    """The modality's prenet, pooled, and a linear head; trained on augmented labelled items.

    It is part of a bridge's training and shares nothing with the judges that measure it.

    Args:
        modality: of the domain.
        classes: number of classes.
        width: of the features the head reads.
        steps, batch: of the training (AdamW, cosine).
    """

    def __init__(
        self,
        modality: Modality,
        classes: int,
        *,
        width: int = 64,
        steps: int = 800,
        batch: int = 128,
    ) -> None:
        super().__init__()
        self.modality = modality
        self.classes = classes
        self.steps, self.batch = steps, batch
        self.prenet = modality.prenet(width, pooled=True)
        self.head: nn.Module = nn.Linear(width, classes)

    def forward(self, signal: Signal) -> Tensor:
        """Logits ``[b classes]``."""
        logits: Tensor = self.head(self.prenet(signal).vector)
        return logits

    def stage(self, domain: str) -> Stage:
        """How it learns from the labelled items of ``domain``."""

        def objective(given: Mapping[str, Batch]) -> dict[str, Tensor]:
            batch = given["labelled"]
            seen = self.modality.augment(batch.signals[domain], torch.default_generator)
            return {"class": labelled_cross_entropy(self(seen), batch.labels[domain])}

        draws = [Draw("labelled", (domain,), self.batch, balanced=True)]
        return self._stage(domain, objective, draws)

    def _stage(
        self,
        domain: str,
        objective: Callable[[Mapping[str, Batch]], Mapping[str, Tensor]],
        draws: list[Draw],
    ) -> Stage:
        optimizer = Adam(2e-3, weight_decay=0.01, schedule="cosine", warmup=min(50, self.steps))
        phase = Phase("reader", [self.prenet, self.head], objective, optimizer=optimizer)
        return Stage(f"reader/{domain}", self.steps, [phase], draws)

    def name(self, table: Table, domain: str) -> Table:
        """The table with labels for items that lack one; a plain reader adds none."""
        return table


def over(signal: Signal, function: Callable[[Signal], Tensor]) -> Tensor:
    """A function of a signal without gradients, a chunk at a time."""
    with torch.no_grad():
        parts = [function(signal[i : i + CHUNK]) for i in range(0, len(signal), CHUNK)]
    return torch.cat(parts)
