"""Synchronizer: generators of all domains, and a judge of whether items belong together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..adversarial import augmented, gradient_penalty, steep
from ..bridge import Needs
from ..code import Code
from ..config import check_choice, check_number
from ..errors import SettingError
from ..latents.reach import squared_error
from ..layers import layers_of
from ..signal import Signal
from ..stage import Adam, Batches, Draw, Lazy, Phase, Stage
from ..table import Table
from .anchors import Anchors
from .coupled import CoupledGANs, Made, Signals
from .fusion import FUSIONS, Fusion, Product

WIDTH = 256
# from logits [p b] of tuples and [p b m] of each one's strangers to a loss
ASYNCHRONY: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "each": lambda yes, no: F.softplus(no).mean(),
    "contrast": lambda yes, no: F.softplus(no.logsumexp(-1) - yes).mean(),
    "none": lambda yes, no: torch.zeros_like(yes).mean(),
}


class Synchronizer(CoupledGANs):
    """SyncGAN: GANs that share nothing but z, held together by a synchronizer S.

    S tells synchronous tuples of real items (one record) from asynchronous ones (different
    records), half of each; the generators are to make synchronous items of one z and
    asynchronous ones of different z's:

        L_S = E log S(x_i, y_i) + E log(1 - S(x_i, y_j))                     (sec. 2.2)
        L_G = E log S(G1(z), G2(z)) + E log(1 - S(G1(z), G2(z')))            (Eq. 2)

    both maximised. (Eq. 2 prints ``1 - log S``; Algorithm 1 has it right, and descends what it
    should ascend.) Without the second term of L_G all modes collapse into one. Pairs need not
    be many: the critics learn from all items, S from the records that hold all domains.

    Args:
        latent, concepts, game, r1, r1_every, spectral_norm, augment, steps, batch, rate,
            critic_rate, schedule, warmup, beta1, beta2, weight_decay, ema, truncation,
            inverse_steps, inversion, reach: see ``CoupledGANs``.
        fusion: ``"product"`` of features, ``"features"`` under a head of their own (Fig. 2a), or
            ``"concatenation"`` of signals of like structure (Fig. 2b); see ``fusion``.
        width: of each domain's features, where the fusion has some, as sync_dropout.
        synchrony: weight of the generators' loss by the synchronizer.
        asynchrony: how they are also to make asynchronous items of different z's (of
            different concepts, where there are some): ``"each"``, every such tuple by itself
            (the second term of Eq. 2), ``"contrast"``, all those of an item at once against
            its own (InfoNCE, van den Oord et al. 2018). ``"none"`` for the paper's ablation.
        anchoring: weight of the loss that each concept is to make what one cluster of real
            tuples is, see ``Anchors``; 0 leaves it to the game what concepts mean. Without
            concepts it says nothing.
        reaching: weight of what generators miss of real records, all of whose items they are to
            make again from the learned inverse of one of them: the squared error as a share of
            the domain's variance. Inverses then learn within the game. Real items come within
            reach of an inversion, which else finds near a query what belongs to another, for a
            game alone leaves much of the data out. 0 for the game alone, as published.
        pairs: records the synchronizer sees at every step.
        sync_steps: of a stage of its own, before the game, which it then no longer learns
            in; 0 to learn within the game, as published. It never sees what is made, so it
            can as well be finished first: generators then follow one that knows.
        sync_rate: of its Adam.
        sync_r1: weight of its gradient penalty on real pairs (times 1/2), 0 for none.
        sync_dropout: of its features, in [0, 1).
        sync_augment: whether it sees items augmented.
        choosing: how far off an inversion may be, as the root of a summed squared error, before
            that weighs as much as what the synchronizer says, when ``encode`` chooses among
            restarts (see ``scorer``); 0 to go by distance alone.

    Raises:
        SettingError: a setting out of its range.
    """

    name = "synchronizer"
    needs = Needs(
        pairs=True,
        advice="The synchronizer learns from records that hold an item of every domain. Give "
        "some (a few hundred help), or choose a bridge that learns from unpaired records.",
    )
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "digits": {
            "latent": 64, "concepts": 0, "fusion": "features", "sync_steps": 0,
            "r1": 0.0, "sync_r1": 0.0, "sync_dropout": 0.0, "sync_augment": False,
            "augment": False, "steps": 20_000, "batch": 128, "pairs": 64, "rate": 1e-3,
            "critic_rate": 2e-4, "schedule": "constant", "sync_rate": 1e-3,
            "beta1": 0.5, "beta2": 0.999,
            "weight_decay": 0.0, "ema": None, "choosing": 0.0, "synchrony": 2.0, "inverse_steps": 0,
            "asynchrony": "each", "anchoring": 0.0,
            "inversion": {"name": "gradient-descent"},
        },
    }  # fmt: skip

    def __init__(
        self,
        *,
        latent: int = 64,
        concepts: int = 0,
        fusion: str = "product",
        width: int = WIDTH,
        synchrony: float = 4.0,
        asynchrony: str = "each",
        anchoring: float = 2.0,
        reaching: float = 0.0,
        pairs: int = 128,
        sync_steps: int = 1500,
        sync_rate: float = 7e-4,
        sync_r1: float = 0.0,
        sync_dropout: float = 0.0,
        sync_augment: bool = True,
        choosing: float = 4.0,
        game: str = "non-saturating",
        r1: float = 0.05,
        r1_every: int = 16,
        spectral_norm: bool = False,
        augment: bool = True,
        steps: int = 1500,
        batch: int = 64,
        rate: float = 1e-3,
        critic_rate: float = 4e-4,
        schedule: Literal["constant", "cosine", "late"] = "late",
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
            latent=latent, concepts=concepts, game=game, r1=r1, r1_every=r1_every,
            spectral_norm=spectral_norm, augment=augment, steps=steps, batch=batch, rate=rate,
            critic_rate=critic_rate, schedule=schedule, warmup=warmup, beta1=beta1, beta2=beta2,
            weight_decay=weight_decay, ema=ema, truncation=truncation,
            inverse_steps=inverse_steps, inversion=inversion, reach=reach,
        )  # fmt: skip
        check_choice(self.name, "fusion", fusion, tuple(FUSIONS))
        check_choice(self.name, "asynchrony", asynchrony, tuple(ASYNCHRONY))
        check_number(self.name, "width", width, 1, integer=True)
        check_number(self.name, "pairs", pairs, 2, integer=True)
        check_number(self.name, "sync_steps", sync_steps, 0, integer=True)
        weights = {"synchrony": synchrony, "sync_rate": sync_rate, "sync_r1": sync_r1,
                   "anchoring": anchoring, "reaching": reaching, "choosing": choosing}  # fmt: skip
        for key, value in weights.items():
            check_number(self.name, key, value, 0)
        check_number(self.name, "sync_dropout", sync_dropout, 0, 0.99)
        if fusion == "concatenation" and (width != WIDTH or sync_dropout):
            raise SettingError(
                f"{self.name}: width ({width}) and sync_dropout ({sync_dropout:g}) are of a "
                "domain's features, and fusion='concatenation' has none; leave them out, or take "
                "fusion='features'"
            )
        self.fusion, self.width = fusion, width
        self.synchrony, self.asynchrony, self.pairs = synchrony, asynchrony, pairs
        if concepts and anchoring and not (fusion == "product" and sync_steps):
            raise SettingError(
                f"{self.name}: concepts get their meaning from the features of a synchronizer that "
                "is finished; take fusion='product' and sync_steps above 0, or anchoring=0"
            )
        self.sync_steps, self.anchoring, self.reaching = sync_steps, anchoring, reaching
        self.sync_rate, self.sync_r1, self.sync_dropout = sync_rate, sync_r1, sync_dropout
        self.sync_augment, self.choosing = sync_augment, choosing

    @property
    def inverted(self) -> bool:
        return super().inverted or self.reaching > 0

    def build_game(self) -> None:
        modalities = self.domains
        # its layers only: a generator may have more, for codes of many tokens
        self.generators = nn.ModuleDict(
            {
                d: nn.Sequential(*layers_of(m.generator(self.space.width)))
                for d, m in modalities.items()
            }
        )
        self.critics = nn.ModuleDict(
            {d: self.normed(m.discriminator()) for d, m in modalities.items()}
        )
        fusion = FUSIONS[self.fusion]
        self.synchronizer: Fusion = fusion(modalities, self.width, self.sync_dropout)
        self.anchors = None
        if self.anchoring and self.concepts:
            self.anchors = Anchors(list(modalities), self.concepts, self.width)

    # -- the game ---------------------------------------------------------------------
    def make(self, z: Tensor, domains: Sequence[str]) -> Signals:
        code = Code.of(z)
        return {d: self.generators[d](code) for d in domains}

    def judge(self, signals: Mapping[str, Signal]) -> dict[str, Tensor]:
        return {d: self.critics[d](signal) for d, signal in signals.items()}

    def generator_loss(self, batches: Batches, made: Made) -> dict[str, Tensor]:
        """The generators' side of the game, and their synchrony (Eq. 2)."""
        kinds = self.space.which(made.z) if self.concepts else None
        features = self.synchronizer.features(self.tupled(made.signals))
        yes, no = self.synchronizer.both(features, kinds)
        loss = F.softplus(-yes).mean() + ASYNCHRONY[self.asynchrony](yes, no)
        terms = {
            "adversarial": self.fooling(made.signals),
            "synchrony": self.synchrony * loss / 2,
            "made": torch.sigmoid(yes.detach()).mean(),
        }
        if self.anchors is not None and kinds is not None:
            terms["anchors"] = self.anchoring * self.anchors.miss(features, kinds)
        if self.reaching:
            terms |= self.reach_terms(batches, made)
        return terms

    def reach_terms(self, batches: Batches, made: Made) -> dict[str, Tensor]:
        """What is missed of real records, a share of which each domain's inverse reads.

        And a tenth of what inverses miss of the z of made items, which ties them to the prior.
        """
        real = batches["pairs"].signals
        names = list(self.domains)
        count = len(real[names[0]])
        parts = torch.arange(count).tensor_split(len(names))
        reads = zip(names, parts, strict=True)
        z = torch.cat([self.inverses[d](real[d][part]).vector for d, part in reads if len(part)])
        again = self.make(self.space.snap(z.float()), names)
        misses = [
            squared_error(again[d], real[d]).mean() / self.get_buffer(f"variance_{d}")
            for d in names
        ]
        held = {d: Signal(x.values.detach(), x.lengths) for d, x in made.signals.items()}
        turned = list(self.inverse_misses(made.z, held).values())
        return {
            "reach": self.reaching * torch.stack(misses).mean(),
            "inverse": 0.1 * torch.stack(turned).mean(),
        }

    def synchronizer_loss(self, batches: Batches, made: Made | None = None) -> dict[str, Tensor]:
        """``L_S`` on real tuples, half of them synchronous, and how often it is right."""
        pairs = batches["pairs"]
        features = self.synchronizer.features(self.tupled(pairs.signals))
        # where there are few, a batch holds a record more than once; it is no stranger to itself
        device = next(iter(pairs.signals.values())).values.device
        yes, no = self.synchronizer.both(features, next(iter(pairs.rows.values())).to(device))
        right = ((yes.detach() > 0).float().mean() + (no.detach() < 0).float().mean()) / 2
        loss = (F.softplus(-yes).mean() + F.softplus(no).mean()) / 2
        return {"synchrony": loss, "right": right}

    def tupled(self, signals: Mapping[str, Signal]) -> Signals:
        """Signals as the synchronizer sees them: augmented one by one, real and made alike."""
        if not self.sync_augment:
            return dict(signals)
        return {d: augmented(self.domains[d], signal) for d, signal in signals.items()}

    def synchronizer_penalty(self, batches: Batches, made: Made | None = None) -> Tensor:
        """R1 of the synchronizer on real tuples, in all their items."""
        real = {d: steep(x) for d, x in self.tupled(batches["pairs"].signals).items()}
        logits = self.synchronizer(real)
        each = [gradient_penalty(logits, x.values) for x in real.values()]
        return self.sync_r1 / 2 * torch.stack(each).sum()

    def scorer(self, domain: str) -> Callable[[Tensor, Signal], Tensor] | None:
        """An inversion's restart is chosen by residual and by what the synchronizer says.

        That is how well the query agrees with the restart's concept, or, where none is
        anchored, with what the restart makes in the other domains.
        """
        if not self.choosing:
            return None

        def score(z: Tensor, query: Signal) -> Tensor:
            z = self.space.snap(z)
            if self.anchors is not None and isinstance(self.synchronizer, Product):
                made = self.make(z, [domain])
                own = self.synchronizer.features_of(domain, query)
                agreed = self.anchors.logits(domain, own)
                said = -F.cross_entropy(agreed, self.space.which(z), reduction="none")
            else:
                made = self.make(z, list(self.domains))
                said = -F.softplus(-self.synchronizer({**made, domain: query}))
            return said - squared_error(made[domain], query) / (2 * self.choosing**2)

        return score

    # -- training ---------------------------------------------------------------------
    def counted(self, table: Table, generator: torch.Generator) -> Table:
        """The table as it is, once there are tuples enough for the concepts."""
        if self.anchors is not None:
            self.anchors.tuples(table)
        return table

    def measured(self, table: Table, generator: torch.Generator) -> Table:
        """The table as it is; the concepts get their meaning from its tuples."""
        if self.anchors is not None:
            was = self.synchronizer.training
            self.synchronizer.eval()
            with torch.no_grad():
                self.anchors.settle(table, self.synchronizer.features, generator, self.batch)
            self.synchronizer.train(was)
        return super().measured(table, generator)

    def stages(self) -> list[Stage]:
        names = tuple(self.domains)
        items = Draw("items", names, self.batch)
        pairs = Draw("pairs", names, self.pairs, "paired")
        critics = Phase(
            "discriminator", [self.critics], self.critic_loss, self.lazy(),
            optimizer=self.adam(self.critic_rate),
        )  # fmt: skip
        making = [self.generators, self.inverses] if self.reaching else [self.generators]
        generators = Phase(
            "generator", making, self.generator_loss,
            optimizer=self.adam(self.rate), ema=self.ema,
        )  # fmt: skip
        synchronizer = Phase(
            "synchronizer", [self.synchronizer], self.synchronizer_loss,
            Lazy("r1", self.synchronizer_penalty, self.r1_every) if self.sync_r1 else None,
            optimizer=Adam(self.sync_rate, schedule="cosine" if self.sync_steps else "constant"),
        )  # fmt: skip
        stages, phases, draws = [], [critics, synchronizer, generators], [items, pairs]
        if self.sync_steps:
            own = [synchronizer], [pairs]
            stages.append(Stage("synchronizer", self.sync_steps, *own, self.counted))
            phases, draws = [critics, generators], [items]
            if self.reaching:
                draws.append(Draw("pairs", names, self.batch, "paired"))
        stages.append(Stage("game", self.steps, phases, draws, self.measured, self.imagined))
        if self.inverse_steps:
            stages.append(self.inverse_stage())
        return stages
