"""GAN: an adversarially trained latent model, with rejection sampling and a learned inverse."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ..adversarial import gradient_penalty, non_saturating, real_or_made, steep
from ..code import Code
from ..errors import TrainingError
from ..modality import Modality
from ..signal import Signal
from ..stage import UNLABELLED, Adam, Batch, Draw, Phase, Stage
from ..table import Column, Memory
from .base import LatentModel
from .reader import CHUNK, Reader


class GAN(LatentModel):
    """z ~ N(0, I) through the modality's generator, against its discriminator.

    A GAN has no posterior, so a bridge learns from points: z is drawn from the prior, a
    reader trained on real items names what the generator makes of it, and the most
    confident draws of every class are kept. A learned inverse, the regression of z on
    the generator's own samples, reads real items.

    Source: Latent Domain Transfer sec. 2 and 4.1; the authors keep the 1,700 most confident of
    each of 10 classes once the rarest has 7,000 draws. They train WaveGAN by WGAN-GP;
    ours is the non-saturating loss with R1 on the modality's own subnets.

    Args:
        modality: of the domain.
        width: dimensions of z.
        classes: number of classes; 0 keeps every draw, without labels, and 1 names all that one.
        steps, batch, lr: of the adversarial game (Adam, betas (0, .99)).
        r1: weight of the gradient penalty on real items.
        keep: points kept of each class.
        pool: draws the rarest class must have before the best are kept.
    """

    def __init__(
        self,
        modality: Modality,
        width: int,
        *,
        classes: int = 0,
        steps: int = 3000,
        batch: int = 64,
        lr: float = 5e-4,
        r1: float = 0.1,
        keep: int = 1700,
        pool: int = 7000,
    ) -> None:
        super().__init__(modality, width)
        self.classes = classes
        self.steps, self.batch, self.lr, self.r1 = steps, batch, lr, r1
        self.keep, self.pool = keep, pool
        self.decoder = modality.generator(width)
        self.critic = modality.discriminator()
        self.inverse = modality.prenet(width, pooled=True)

    def posterior(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """The learned inverse and a standard deviation of 0: GAN latents are points."""
        z = self.inverse(signal).vector.float()
        return z, torch.zeros_like(z)

    def decode(self, z: Tensor) -> Signal:
        made: Signal = self.decoder(Code.of(z))
        return made

    def stages(self, domain: str, reader: Reader | None) -> list[Stage]:
        draws = [Draw("items", (domain,), self.batch)]

        def noise(signal: Signal) -> Tensor:
            return torch.randn(len(signal), self.width, device=signal.values.device)

        def critic(given: Mapping[str, Batch]) -> dict[str, Tensor]:
            real = given["items"].signals[domain]
            with torch.no_grad():
                made = self.decode(noise(real))
            real = steep(real)
            logits = self.critic(real)
            return {
                "adversarial": real_or_made(logits, self.critic(made)),
                "r1": self.r1 / 2 * gradient_penalty(logits, real.values),
            }

        def generator(given: Mapping[str, Batch]) -> dict[str, Tensor]:
            made = self.decode(noise(given["items"].signals[domain]))
            return {"adversarial": non_saturating(self.critic(made))}

        def inverse(given: Mapping[str, Batch]) -> dict[str, Tensor]:
            z = noise(given["items"].signals[domain])
            with torch.no_grad():
                made = self.decode(z)
            return {"inverse": F.mse_loss(self.posterior(made)[0], z)}

        game = Adam(self.lr, (0.0, 0.99))
        phases = [
            Phase("critic", [self.critic], critic, optimizer=game),
            Phase("generator", [self.decoder], generator, optimizer=game, ema=0.998),
        ]
        regress = Phase("inverse", [self.inverse], inverse, optimizer=Adam(1e-3, schedule="cosine"))
        return [
            Stage(f"latent/{domain}", self.steps, phases, draws),
            Stage(f"inverse/{domain}", max(1, self.steps // 2), [regress], draws),
        ]

    @torch.no_grad()
    def latents(self, column: Column, generator: torch.Generator, reader: Reader | None) -> Memory:
        """Rejection sampling (see the class).

        Raises:
            TrainingError: the generator never makes some class; names it.
        """
        device = next(self.decoder.parameters()).device
        classes = self.classes if reader is not None else 1
        drawn, confidence, label = [], [], []
        counts = torch.zeros(classes, dtype=torch.long)
        limit = 20 * self.pool * classes
        while counts.min() < self.pool and counts.sum() < limit:
            z = torch.randn(CHUNK, self.width, generator=generator)
            drawn.append(z)
            if reader is not None:
                best = reader(self.decode(z.to(device))).float().softmax(1).cpu().max(1)
                confidence.append(best.values)
                label.append(best.indices)
            else:
                confidence.append(torch.ones(CHUNK))
                label.append(torch.zeros(CHUNK, dtype=torch.long))
            counts += torch.bincount(label[-1], minlength=classes)
        if not counts.all():
            missing = (counts == 0).nonzero()[:, 0].tolist()
            raise TrainingError(
                f"the GAN never makes an item of class {missing} in {int(counts.sum())} draws; "
                "train it longer, or use a VAE for this domain"
            )
        z, sure, named = torch.cat(drawn), torch.cat(confidence), torch.cat(label)
        best_of = [
            (named == c).nonzero()[:, 0][sure[named == c].argsort(descending=True)[: self.keep]]
            for c in range(classes)
        ]
        kept = torch.cat(best_of)
        labels = torch.full((len(kept),), UNLABELLED)
        if reader is not None or self.classes == 1:
            labels = named[kept]
        values = torch.stack([z[kept], torch.zeros(len(kept), self.width)], 1)
        return Memory(Signal(values.to(device)), labels)
