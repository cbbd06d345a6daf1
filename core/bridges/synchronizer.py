"""Synchronizer: generators of all domains, and a judge of whether items belong together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..adversarial import augmented, gradient_penalty, steep
from ..bridge import Needs
from ..code import Code
from ..draws import paired
from ..errors import DataError
from ..latents.reach import squared_error
from ..layers import layers_of
from ..signal import Signal
from ..stage import Adam, Batches, Draw, Lazy, Phase, Stage
from ..table import Table
from .anchors import Anchors
from .coupled import Made, Signals
from .fusion import FUSIONS, Fusion, Product
from .synchronizer_settings import ASYNCHRONY, SynchronizerSettings


class Synchronizer(SynchronizerSettings):
    """SyncGAN: GANs that share nothing but z, held together by a synchronizer S.

    S tells synchronous tuples of real items (one record) from asynchronous ones (different
    records), half of each; the generators are to make synchronous items of one z and
    asynchronous ones of different z's:

        L_S = E log S(x_i, y_i) + E log(1 - S(x_i, y_j))                     (sec. 2.2)
        L_G = E log S(G1(z), G2(z)) + E log(1 - S(G1(z), G2(z')))            (Eq. 2)

    both maximised. (Eq. 2 prints ``1 - log S``; Algorithm 1 has it right, and descends what it
    should ascend.) Without the second term of L_G all modes collapse into one. Pairs need not
    be many: the critics learn from all items, S from the records that hold all domains.

    ``SynchronizerSettings`` says what it can be told.
    """

    name = "synchronizer"
    needs = Needs(
        pairs=True,
        advice="The synchronizer learns from records that hold an item of every domain. Give "
        "some (a few hundred help), or choose a bridge that learns from unpaired records.",
    )

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
        """The table as it is, once the synchronizer and the game can learn from it.

        Raises:
            UnsupportedError: a domain is of discrete units.
            DataError: too few tuples; items to be reached that are all alike.
        """
        if self.reaching:
            super().measured(table, generator)  # which checks that, too
        else:
            self.check_smooth(table)
        self.check_different(table)
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
        table = super().measured(table, generator)
        self.check_different(table)
        return table

    def check_different(self, table: Table) -> None:
        """Refuse a table without asynchronous tuples, or items to be reached that are all alike.

        Raises:
            DataError: of either kind.
        """
        names = tuple(self.domains)
        found = paired(Draw("pairs", names, 2, "paired"), {d: table.column(d) for d in names})
        if len(found[names[0]][0]) < 2:
            raise DataError(
                f"{self.name}: one record alone holds all of {', '.join(names)}, and asynchronous "
                "tuples are of different ones; add such records"
            )
        alike = [d for d in names if self.reaching and not self.get_buffer(f"variance_{d}")]
        if alike:
            raise DataError(
                f"{self.name}: all items of {', '.join(alike)} are alike, and reaching is measured "
                "by their variance; add other items, or set reaching to 0"
            )

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
