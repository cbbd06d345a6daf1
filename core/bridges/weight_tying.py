"""Weight tying: generators that share their first layers, critics that share their last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..code import Code
from ..config import check_number
from ..errors import SettingError, UnsupportedError
from ..layers import layers_of, made_alike, through, tied
from ..objectives import labelled_cross_entropy
from ..signal import Signal
from ..stage import UNLABELLED, Batches, Draw, Phase, Schedule, Stage
from .coupled import CoupledGANs, Made, Signals
from .teacher import Teacher


class WeightTying(CoupledGANs):
    """CoGAN: one z, tied generators and critics, unpaired data, and a joint distribution.

    The critics minimise, and the generators play against,

        sum over domains d of  -log f_d(x_d) - log(1 - f_d(g_d(z)))        (CoGAN Eq. 3)

    where the first layers of all g_d are the same modules, and so are the last layers of all
    f_d: they live here, once. What cannot be shared is a domain's own. ``classification`` adds
    a linear head on the critics' last features (CoGAN sec. 5, domain adaptation), which
    learns from whatever labels there are, and ``matching`` the authors' unprinted term,
    ``sum (h(g_1(z)) - h(g_2(z)))^2`` over the features h of made items of one z.

    Weight decay is decoupled (AdamW) where the authors' codes have L2 in Adam, and
    matching moves critics and generators, as in their Caffe code alone.

    Departures, each with a setting: the generators' loss does not saturate (as the authors'
    code); R1, EMA and Adam's rates by default; and ``lead``. Two domains of strokes can
    settle on drawing the same strokes, one of which is wrong. So the tied generator layers
    first learn from the first domain alone, while the others learn to render what these draw.

    Args:
        latent, game, r1, r1_every, spectral_norm, augment, steps, batch, rate, critic_rate,
            schedule, warmup, beta1, beta2, weight_decay, ema, truncation, inverse_steps,
            inversion, reach: see ``CoupledSettings``.
        tied_generator: layers shared, from z on; None for all that can be but the last.
        tied_critic: layers shared, from the logits on; None for all that can be but the first.
        lead: share of the steps, at the start, in which the first domain leads; 0 for none.
        classification: weight of the labels' cross-entropy on real items; 0 for no head.
        matching: weight of the feature matching, of critics and generators.
        consistency: weight, beside ``classification``, of what a slow copy of the classifier
            names the items without a label, which are read augmented (and so it wants
            ``augment``); 0 for none. Ours.
        teacher: decay of that copy, which is also what ``classify`` asks.

    Raises:
        SettingError: a setting out of its range.
    """

    name = "weight-tying"
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "digits": {
            "latent": 100, "r1": 0.0, "steps": 25_000, "batch": 128, "lead": 0.0,
            "rate": 2e-4, "critic_rate": 2e-4, "schedule": "constant", "beta1": 0.5, "beta2": 0.999,
            "weight_decay": 5e-4, "ema": None, "inverse_steps": 0,
            "inversion": {"name": "l-bfgs"},
        },
        "adaptation": {
            "latent": 100, "r1": 0.0, "steps": 10_000, "batch": 64, "lead": 0.0,
            "rate": 2e-4, "critic_rate": 2e-4, "schedule": "constant", "beta1": 0.5, "beta2": 0.999,
            "weight_decay": 5e-4, "ema": None, "inverse_steps": 0,
            "classification": 10.0, "matching": 0.01, "inversion": {"name": "l-bfgs"},
        },
    }  # fmt: skip

    def __init__(
        self,
        *,
        latent: int = 64,
        tied_generator: int | None = None,
        tied_critic: int | None = None,
        lead: float = 0.25,
        classification: float = 0.0,
        matching: float = 0.0,
        consistency: float = 0.0,
        teacher: float = 0.995,
        game: str = "non-saturating",
        r1: float = 0.3,
        r1_every: int = 16,
        spectral_norm: bool = False,
        augment: bool = False,
        steps: int = 3000,
        batch: int = 64,
        rate: float = 2e-3,
        critic_rate: float = 1e-3,
        schedule: Schedule = "late",
        warmup: int = 0,
        beta1: float = 0.5,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        ema: float | None = 0.998,
        truncation: float = 1.0,
        inverse_steps: int = 1000,
        inversion: Mapping[str, Any] | None = None,
        reach: float = 2.0,
    ) -> None:
        super().__init__(
            latent=latent, concepts=0, game=game, r1=r1, r1_every=r1_every,
            spectral_norm=spectral_norm, augment=augment,
            steps=steps, batch=batch, rate=rate, critic_rate=critic_rate,
            schedule=schedule, warmup=warmup, beta1=beta1, beta2=beta2,
            weight_decay=weight_decay, ema=ema, truncation=truncation,
            inverse_steps=inverse_steps, inversion=inversion, reach=reach,
        )  # fmt: skip
        for key, count in {"tied_generator": tied_generator, "tied_critic": tied_critic}.items():
            if count is not None:
                check_number(self.name, key, count, 0, integer=True)
        check_number(self.name, "lead", lead, 0, 1)
        weights = {"classification": classification, "matching": matching,
                   "consistency": consistency}  # fmt: skip
        for key, value in weights.items():
            check_number(self.name, key, value, 0)
        check_number(self.name, "teacher", teacher, 0, 1)
        if consistency and not classification:
            raise SettingError(
                f"{self.name}: consistency is a part of the classification; set that above 0 too"
            )
        self.tied_generator, self.tied_critic = tied_generator, tied_critic
        self.lead = lead
        self.classification, self.matching = classification, matching
        self.consistency, self.teacher = consistency, teacher

    def build_game(self) -> None:
        makers = {d: layers_of(m.generator(self.latent)) for d, m in self.domains.items()}
        k = tied(makers, self.tied_generator, "generator")
        first = next(iter(self.domains))
        self.trunk = nn.ModuleList(makers[first][:k])
        self.ends = nn.ModuleDict({d: nn.Sequential(*net[k:]) for d, net in makers.items()})
        critics = {
            d: layers_of(self.normed(m.discriminator()))[::-1] for d, m in self.domains.items()
        }
        k = tied(critics, self.tied_critic, "discriminator")
        for d, net in critics.items():  # begin alike, so that labels of one domain serve all
            for layer, other in zip(net, critics[first], strict=False):
                if d != first and made_alike(layer, other):
                    layer.load_state_dict(other.state_dict())
        self.entrances = nn.ModuleDict(
            {d: nn.Sequential(*reversed(net[k:])) for d, net in critics.items()}
        )
        self.summit = nn.ModuleList(reversed(critics[first][:k]))
        if (self.classification or self.matching) and k < 1:
            raise SettingError(
                f"{self.name}: classification and matching read the features under the critics' "
                "last layer, so that layer must be tied: leave tied_critic out, and give the "
                f"domains discriminators that end alike ({', '.join(critics)} share {k} layers)"
            )
        self.head: nn.Module | None = None
        if self.classification:
            if not self.classes:
                raise SettingError(
                    f"{self.name}: classification needs labels in some domain, and there are none"
                )
            width = next(p.shape[1] for p in self.summit[-1].parameters() if p.ndim == 2)
            self.head = nn.Linear(width, self.classes)
            self.average = Teacher(self.readers(), self.classes, self.teacher)

    # -- the game ---------------------------------------------------------------------
    def make(self, z: Tensor, domains: Sequence[str]) -> Signals:
        drawn = through(self.trunk, Code.of(z))
        return {d: self.ends[d](drawn) for d in domains}

    def imagined(self, batches: Batches, step: int) -> Made:
        """A draw of z as signals; at first only the first domain's reach the tied layers."""
        if step > self.lead * self.steps or not len(self.trunk):
            return super().imagined(batches, step)
        z = self.drawn(batches)
        drawn: Tensor = through(self.trunk, Code.of(z))
        first, *rest = self.domains
        signals = {first: self.ends[first](drawn)}
        return Made(z, signals | {d: self.ends[d](drawn.detach()) for d in rest})

    def features(self, signals: Mapping[str, Signal]) -> dict[str, Tensor]:
        """The critics' last features ``[b h]`` by domain; the shared layers see all in one go."""
        entered = {d: self.entrances[d](signal) for d, signal in signals.items()}
        sizes = [len(x) for x in entered.values()]
        joined: Tensor = through(self.summit[:-1], torch.cat(list(entered.values())))
        return dict(zip(entered, joined.split(sizes), strict=True))

    def judge(self, signals: Mapping[str, Signal]) -> dict[str, Tensor]:
        if not len(self.summit):
            return {d: self.entrances[d](signal) for d, signal in signals.items()}
        return {d: self.summit[-1](h) for d, h in self.features(signals).items()}

    def critic_loss(self, batches: Batches, made: Made) -> dict[str, Tensor]:
        """The critics' side of the game, with what else is asked of their features."""
        if self.head is None and not self.matching:
            return super().critic_loss(batches, made)
        features = self.features(self.faced(batches, made.signals))
        terms = self.critic_terms(
            batches, made.signals, {d: self.summit[-1](h) for d, h in features.items()}
        )
        real, fake = zip(*(h.chunk(2) for h in features.values()), strict=True)
        if self.matching:
            terms["matching"] = self.matching * apart(fake)
        if self.head is not None:
            terms |= self.class_terms(batches, torch.cat(real))
        return terms

    def class_terms(self, batches: Batches, features: Tensor) -> dict[str, Tensor]:
        """The classifier's cross-entropies on real items, by labels and by the teacher's names."""
        assert self.head is not None
        self.average.follow(self.readers())
        signals, labels = batches["items"].signals, batches["items"].labels
        known = torch.cat([labels[d] for d in self.domains]).to(features.device)
        read = self.head(features)
        weight = self.classification
        terms = {"class": weight * labelled_cross_entropy(read, known)}
        if self.consistency:
            with torch.no_grad():
                told = torch.cat([self.classify(signals[d], d) for d in self.domains])
            free = known == UNLABELLED
            named = self.average.name(told).masked_fill(~free, UNLABELLED)
            # over all items without a label: the unsure ones weigh nothing
            sure = (named != UNLABELLED).sum() / free.sum().clamp(min=1)
            missed = labelled_cross_entropy(read, named) * sure
            terms["consistency"] = weight * self.consistency * missed
            terms["sure"] = sure
        return terms

    def readers(self) -> list[nn.Module]:
        """What reads a class: the critics below their logits, and the head."""
        assert self.head is not None
        return [self.entrances, self.summit[:-1], self.head]

    def generator_loss(self, batches: Batches, made: Made) -> dict[str, Tensor]:
        """The generators' side of the game."""
        if not self.matching:
            return {"adversarial": self.fooling(made.signals)}
        features = self.features(self.seen(made.signals))
        logits = {d: self.summit[-1](h) for d, h in features.items()}
        return {
            "adversarial": self.fooled(logits),
            "matching": self.matching * apart(list(features.values())),
        }

    def classify(self, signal: Signal, domain: str) -> Tensor:
        """Logits ``[b classes]`` of the critics' classifier, by its running average.

        Raises:
            UnsupportedError: it was built without one.
        """
        self.check_domain(domain)
        if self.head is None:
            raise UnsupportedError(
                f"this {self.name} has no classifier; set classification above 0 and give labels"
            )
        entrances, summit, head = self.average.copies
        assert isinstance(entrances, nn.ModuleDict) and isinstance(summit, nn.ModuleList)
        logits: Tensor = head(through(summit, entrances[domain](signal)))
        return logits.float()

    # -- training ---------------------------------------------------------------------
    def stages(self) -> list[Stage]:
        """The game, then the inverses.

        Raises:
            SettingError: a generator has nothing to learn; consistency without augment.
        """
        self.check_makers(dict(self.ends.items()), self.trunk)
        if self.consistency and not self.augment:  # here, so that what was trained so still loads
            raise SettingError(
                f"{self.name}: consistency compares what is read in an item with what is read in "
                "it augmented, and without augment both are the same; set augment=True, or "
                "consistency=0"
            )
        critics: list[nn.Module] = [self.entrances, self.summit]
        if self.head is not None:
            critics.append(self.head)
        phases = [
            Phase(
                "discriminator", critics, self.critic_loss, self.lazy(),
                optimizer=self.adam(self.critic_rate),
            ),
            Phase(
                "generator", [self.trunk, self.ends], self.generator_loss,
                optimizer=self.adam(self.rate), ema=self.ema,
            ),
        ]  # fmt: skip
        draws = [Draw("items", tuple(self.domains), self.batch)]
        stages = [Stage("game", self.steps, phases, draws, self.measured, self.imagined)]
        if self.inverse_steps:
            stages.append(self.inverse_stage())
        return stages


def apart(features: Sequence[Tensor]) -> Tensor:
    """Squared distances ``[b h]`` of every domain's features from the first's, summed over h."""
    first, *rest = (h.float() for h in features)
    return torch.stack([(h - first).square().sum(1).mean() for h in rest]).sum()
