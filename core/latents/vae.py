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
from .base import LatentModel
from .reader import Reader, over

SMALLEST_STD = 1e-4  # keeps the KL finite when a posterior collapses to a point


class VAE(LatentModel):
    """q(z|x) from the modality's pooled prenet, p(x|z) from its generator.

    Minimises, as means over the items of a batch,

        E_q -log p(x|z) + KL(q(z|x) || N(0, I))
        + class_weight CE(head(z), y) + reading CE(reader(g(z~)), y)

    where z~ lies between z and the mean of its class, at a random point of the way.

    Source: Latent Domain Transfer sec. 2 and App. B (Engel et al. 2018): the likelihood is the
    modality's (for images a Normal of std 0.1 summed over pixels, which is what the paper's
    "KL less than 1" comes to). The last two terms are ours, where there are labels.
    Without the first, a latent keeps the look of a garment better than its class. Without the
    second, what a bridge decodes is blurred: it predicts the mean of z given z', which
    is nearer to the class's mean than any item is, and there the decoder has never been.
    Weights of 0 give the published model.

    Args:
        modality: of the domain.
        width: dimensions of z.
        classes: number of classes; 0 without labels.
        class_weight: of the cross-entropy of a linear head on z, in nats per item.
        reading: of the cross-entropy of the reader on what is decoded.
        steps, batch, lr: of the training (AdamW, cosine with warm-up).
        augment: learn from augmented items.
        copies: augmented encodings of each item, beside the plain one, that a bridge learns from.
    """

    def __init__(
        self,
        modality: Modality,
        width: int,
        *,
        classes: int = 0,
        class_weight: float = 0.0,
        reading: float = 0.0,
        steps: int = 1500,
        batch: int = 128,
        lr: float = 2e-3,
        augment: bool = True,
        copies: int = 0,
    ) -> None:
        super().__init__(modality, width)
        self.classes = classes
        self.class_weight = class_weight if classes else 0.0
        self.reading = reading if classes else 0.0
        self.steps, self.batch, self.lr = steps, batch, lr
        self.augment, self.copies = augment, copies
        self.encoder = modality.prenet(2 * width, pooled=True)
        self.decoder = modality.generator(width)
        self.head = nn.Linear(width, classes) if self.class_weight else None

    def posterior(self, signal: Signal) -> tuple[Tensor, Tensor]:
        mean, raw = self.encoder(signal).vector.float().chunk(2, 1)
        return mean, F.softplus(raw) + SMALLEST_STD

    def decode(self, z: Tensor) -> Signal:
        made: Signal = self.decoder(Code.of(z))
        return made

    def stages(self, domain: str, reader: Reader | None) -> list[Stage]:
        draw = Draw("items", (domain,), self.batch)
        optimizer = Adam(
            self.lr, weight_decay=0.01, schedule="cosine", warmup=max(1, self.steps // 7)
        )

        def objective(draws: Mapping[str, Batch]) -> dict[str, Tensor]:
            batch = draws["items"]
            return self.loss(batch.signals[domain], batch.labels[domain], reader)

        phase = Phase("vae", [self], objective, optimizer=optimizer)
        return [Stage(f"latent/{domain}", self.steps, [phase], [draw])]

    def loss(self, signal: Signal, labels: Tensor, reader: Reader | None) -> dict[str, Tensor]:
        """The weighted terms on a batch (see the class)."""
        seen = self.modality.augment(signal, torch.default_generator) if self.augment else signal
        mean, std = self.posterior(seen)
        z = mean + std * torch.randn_like(std)
        terms = {
            "reconstruction": self.modality.reconstruction(self.decode(z), seen).float().mean(),
            "kl": gaussian_kl(mean, std).mean(),
        }
        if self.head is not None:
            terms["class"] = self.class_weight * labelled_cross_entropy(self.head(z), labels)
        if self.reading and reader is not None:
            half = len(signal) // 2  # half a batch teaches as well at half the cost
            towards = self._towards_means(mean.detach(), labels)[:half]
            read = reader(self.decode(towards))
            terms["reading"] = self.reading * labelled_cross_entropy(read, labels[:half])
        return terms

    def _towards_means(self, mean: Tensor, labels: Tensor) -> Tensor:
        """``[b width]``: each item part of the way to the mean of its class in the batch."""
        member = (labels[:, None] == torch.arange(self.classes, device=labels.device)).float()
        means = (member.T @ mean).float() / member.sum(0).clamp(min=1)[:, None]
        part = torch.rand(len(mean), 1, device=mean.device)
        return torch.lerp((member @ means).float(), mean, part)

    def latents(self, column: Column, generator: torch.Generator, reader: Reader | None) -> Memory:
        signal = column.take(torch.arange(len(column)))
        device = next(self.parameters()).device
        views = [signal]
        views += [self.modality.augment(signal, generator) for _ in range(self.copies)]
        values = [over(view, lambda part: self._stacked(part.to(device))) for view in views]
        n = len(views)
        return Memory(Signal(torch.cat(values)), column.labels.repeat(n), column.rows.repeat(n))

    def _stacked(self, signal: Signal) -> Tensor:
        return torch.stack(self.posterior(signal), 1)  # [b 2 width]
