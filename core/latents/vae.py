"""VAE: a variational autoencoder of one domain."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..code import Code
from ..modality import Modality
from ..objectives import gaussian_kl, labelled_cross_entropy
from ..signal import Signal
from ..stage import Adam, Batch, Draw, Phase, Stage
from ..table import Column, Memory
from .base import LatentModel, over

SMALLEST_STD = 1e-4  # keeps the KL finite when a posterior collapses to a point


class VAE(LatentModel):
    """q(z|x) from the modality's pooled prenet, p(x|z) from its generator.

    Minimises ``E_q -log p(x|z) + KL(q(z|x) || N(0, I)) + class_weight * CE(head(z), y)``.

    Source: Latent Domain Transfer sec. 2 and App. B (Engel et al. 2018): the likelihood is the
    modality's (for images a Normal of std 0.1 summed over pixels, which is what the paper's
    "KL less than 1" comes to). The class term is ours: without it a latent keeps the look of a
    garment better than its class. Set ``class_weight=0`` for the published model.

    Args:
        modality: of the domain.
        width: dimensions of z.
        classes: number of classes; 0 without labels.
        class_weight: of the cross-entropy of a linear head on z, in nats per item.
        steps, batch, lr: of the training (Adam, cosine with warm-up).
        copies: augmented encodings of each item, beside the plain one, that a bridge learns from.
    """

    def __init__(
        self,
        modality: Modality,
        width: int,
        *,
        classes: int = 0,
        class_weight: float = 0.0,
        steps: int = 1200,
        batch: int = 256,
        lr: float = 2e-3,
        copies: int = 0,
    ) -> None:
        super().__init__(modality, width)
        self.class_weight = class_weight if classes else 0.0
        self.steps, self.batch, self.lr, self.copies = steps, batch, lr, copies
        self.encoder = modality.prenet(2 * width, pooled=True)
        self.decoder = modality.generator(width)
        self.head = nn.Linear(width, classes) if self.class_weight else None

    def posterior(self, signal: Signal) -> tuple[Tensor, Tensor]:
        mean, raw = self.encoder(signal).vector.float().chunk(2, 1)
        return mean, F.softplus(raw) + SMALLEST_STD

    def decode(self, z: Tensor) -> Signal:
        made: Signal = self.decoder(Code.of(z))
        return made

    def stages(self, domain: str) -> list[Stage]:
        draw = Draw("items", (domain,), self.batch)
        optimizer = Adam(
            self.lr, weight_decay=0.01, schedule="cosine", warmup=max(1, self.steps // 7)
        )

        def objective(draws: Mapping[str, Batch]) -> dict[str, Tensor]:
            batch = draws["items"]
            return self.loss(batch.signals[domain], batch.labels[domain])

        phase = Phase("vae", [self], objective, optimizer=optimizer)
        return [Stage(f"latent/{domain}", self.steps, [phase], [draw])]

    def loss(self, signal: Signal, labels: Tensor) -> dict[str, Tensor]:
        """The terms on a batch, each a mean over its items."""
        seen = self.modality.augment(signal, torch.default_generator) if self.copies else signal
        mean, std = self.posterior(seen)
        z = mean + std * torch.randn_like(std)
        terms = {
            "reconstruction": self.modality.reconstruction(self.decode(z), seen).float().mean(),
            "kl": gaussian_kl(mean, std).mean(),
        }
        if self.head is not None:
            terms["class"] = self.class_weight * labelled_cross_entropy(self.head(z), labels)
        return terms

    def latents(self, column: Column, generator: torch.Generator) -> Memory:
        signal = column.take(torch.arange(len(column)))
        views = [signal]
        views += [self.modality.augment(signal, generator) for _ in range(self.copies)]
        values = [over(view, self._stacked) for view in views]
        n = len(views)
        return Memory(Signal(torch.cat(values)), column.labels.repeat(n), column.rows.repeat(n))

    def _stacked(self, signal: Signal) -> Tensor:
        return torch.stack(self.posterior(signal), 1)  # [b 2 width]
