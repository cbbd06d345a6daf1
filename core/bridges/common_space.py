"""Common space: autoencoders of representations that meet in one space, by an adversarial game."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..adversarial import GAMES
from ..code import Code
from ..critics import Logit
from ..errors import SettingError, UnsupportedError
from ..objectives import labelled_cross_entropy
from ..signal import Signal
from ..stage import Adam, Batches, Draw, Phase, Stage
from ..table import Memory, Table
from .common_ends import Ends
from .common_game import (
    InterCritic,
    Vectors,
    disagreement,
    mean,
    passed_as_given,
    passed_off,
    told_apart,
    told_from_made,
)
from .common_nets import Pathways
from .common_settings import CommonSettings


class CommonSpace(CommonSettings):
    """CM-GANs: one common representation of all domains, for retrieval and translation.

    A domain's prenet makes the representation h of an item, which is held still; an encoder
    makes the common representation s of it, and a decoder r, which is h again::

        item -> prenet -> h -> own layer -> shared layer -> s -> own decoder -> r -> generator

    The generators' side and the critics' side of the game, for domains d:

        generators  semantic CE(f(s_d), y) + reconstruction ||r_d - h_d||^2
                    + agreement KL(f(s_e) | f(s_d))
                    - inter log D_d(s_e, h_d) - intra log D'_d(r_d)             e != d
        critics     - log D_d(s_d, h_d) - 1/2 log(1 - D_d(s_e, h_d)) - 1/2 log(1 - D_d(s^_d, h_d))
                    - log D'_d(h_d) - log(1 - D'_d(r_d))

    where s^_d is of an item of another class. Means are taken over items, numbers of h, domains
    d and, with more domains than two, the others e.

    Source: CM-GANs (Peng et al. 2019) Eqs. 5-10 and Alg. 1. Eqs. 9 and 10 are to be ascended,
    not descended. Eq. 7 conditions the stranger s^ by its own h^, ``mismatch="literal"``:
    but the pair (s^, h^) is also real, for another anchor, and then D learns nothing of who
    matches whom; ``"anchor"`` conditions it by h, as Reed et al. 2016 do. Symbols: G_enc, G_dec
    are ``Pathways``, D_I and D_T ``intra``, D_Ci and D_Ct ``inter``, K ``turns``.

    The training: ``ends`` (prenets learn to tell the classes, and generators to render h; none
    of it for vectors), ``pretrain`` (no critics: the paper's CM-GANs-CAE), ``game``. Without
    labels there is no semantic head and prenets learn as autoencoders.

    ``CommonSettings`` says what it can be told.

    Raises:
        SettingError: there are fewer domains than two.
    """

    name = "common-space"

    def build(self) -> None:
        if len(self.domains) < 2:
            raise SettingError(f"{self.name} joins two domains or more, not {len(self.domains)}")
        widths = {d: m.vector or self.representation for d, m in self.domains.items()}
        self.ends = Ends(self.domains, widths, self.classes, self.generators)
        self.paths = Pathways(widths, self.hidden, self.common, self.shared, self.dropout)
        self.head: nn.Linear | None = None
        if self.classes and self.semantic:
            self.head = nn.Linear(self.common, self.classes)
        inter = {d: InterCritic(self.common, r, self.critic) for d, r in widths.items()}
        self.between = nn.ModuleDict(inter if self.inter else {})
        self.within = nn.ModuleDict({d: Logit(r) for d, r in widths.items()} if self.intra else {})

    def adopt(self, domain: str, prenet: nn.Module) -> None:
        """Take a prenet that is trained already; it is held still and not trained again.

        Args:
            domain: whose.
            prenet: from ``Signal`` to ``Code`` of one token of width ``representation``.

        Raises:
            SettingError: its weights are of other names or shapes than the one it replaces.
        """
        self.check_domain(domain)
        self.ends.adopt(domain, prenet)

    # -- through the common space ---------------------------------------------------
    def encode(self, signal: Signal, domain: str) -> Code:
        self.check_domain(domain)
        return Code.of(self.paths.encode(self.ends.represent(signal, domain), domain))

    def decode(self, code: Code, domain: str, style: Code | None = None) -> Signal:
        """A code as a signal: the decoder's representation, rendered by the generator.

        Raises:
            UnsupportedError: the domain has no generator.
        """
        self.check_domain(domain)
        return self.ends.render(self.paths.decode(code.vector, domain), domain)

    def directions(self) -> Sequence[tuple[str, str]]:
        made = [domain for domain in self.domains if domain in self.ends.generators]
        return [(source, target) for source in self.domains for target in made]

    def classify(self, signal: Signal, domain: str) -> Tensor:
        """Logits ``[b classes]`` of the semantic head.

        Raises:
            UnsupportedError: there is none.
        """
        if self.head is None:
            raise UnsupportedError(
                f"this {self.name} has no semantic head; set semantic above 0 and give labels"
            )
        logits: Tensor = self.head(self.encode(signal, domain).vector)
        return logits.float()

    def embed(self, signal: Signal, domain: str) -> Tensor:
        """``[b d]`` vectors to compare by their cosine, see ``retrieve``."""
        if self.head is None or self.retrieve == "common":
            return self.encode(signal, domain).vector
        return self.classify(signal, domain).softmax(1) - self.ends.share(domain)

    # -- training -------------------------------------------------------------------
    def stages(self) -> Sequence[Stage]:
        names = tuple(self.domains)
        kind: Literal["paired", "aligned"] = "paired" if self.match == "pairs" else "aligned"
        draws = [Draw("items", names, self.batch, kind)]
        learns: list[nn.Module] = [self.paths, *([self.head] if self.head else [])]
        alone = Phase("autoencoders", learns, self.own_loss, optimizer=self.adam(self.rate))
        player = Phase("generators", learns, self.generator_loss, turns=self.turns,
                       optimizer=self.adam(self.rate))  # fmt: skip
        critics = [net for net in (self.between, self.within) if len(net)]
        adam = self.adam(self.critic_rate)
        judges = [Phase("critics", critics, self.critic_loss, optimizer=adam)] if critics else []
        return [
            *self.ends.stages(self.ends_steps, self.batch, draws),
            Stage("pretrain", self.pretrain_steps, [alone], draws, self.represented),
            Stage("game", self.steps, [*judges, player], draws, self.represented),
        ]

    def adam(self, rate: float) -> Adam:
        """The optimiser of a player."""
        return Adam(rate, (self.beta1, 0.999), schedule=self.schedule)

    def represented(self, table: Table, generator: torch.Generator) -> Table:
        """The table of standardised representations."""
        columns = {}
        for d in self.domains:
            column = table.column(d)
            columns[d] = Memory(Signal(self.ends.measure(column, d)), column.labels, column.rows)
        return Table(columns, table.classes)

    def own_loss(self, batches: Batches) -> dict[str, Tensor]:
        """What the generators learn without critics."""
        h, labels = self._given(batches)
        return self._own_terms(h, self._encoded(h), labels)[0]

    def generator_loss(self, batches: Batches) -> dict[str, Tensor]:
        """The generators' side of the game."""
        h, labels = self._given(batches)
        s, game = self._encoded(h), GAMES[self.game]
        terms, r = self._own_terms(h, s, labels)
        if self.inter:
            terms["inter"] = self.inter * passed_off(self.between, game, s, h)
        if self.intra:
            terms["intra"] = self.intra * passed_as_given(self.within, game, r)
        return terms

    def critic_loss(self, batches: Batches) -> dict[str, Tensor]:
        """The critics' side of the game; and how far matched is from mismatched, in logits."""
        h, labels = self._given(batches)
        s, game = self._encoded(h), GAMES[self.game]
        terms: dict[str, Tensor] = {}
        if self.inter:
            anchored = self.mismatch == "anchor"
            terms["inter"], terms["margin"] = told_apart(self.between, game, s, h, labels, anchored)
        if self.intra:
            made = {d: self.paths.decode(s[d], d) for d in h}
            terms["intra"] = told_from_made(self.within, game, h, made)
        return terms

    def _given(self, batches: Batches) -> tuple[Vectors, Vectors]:
        """Representations ``[b r]`` and labels ``[b]`` by domain."""
        batch = batches["items"]
        h = {d: batch.signals[d].values for d in self.domains}
        return h, {d: batch.labels[d].to(h[d].device) for d in h}

    def _encoded(self, h: Vectors) -> Vectors:
        return {d: self.paths.encode(x, d) for d, x in h.items()}

    def _own_terms(self, h: Vectors, s: Vectors, labels: Vectors) -> tuple[Vectors, Vectors]:
        """Reconstruction and classes; and what was reconstructed."""
        r = {d: self.paths.decode(s[d], d) for d in h}
        gaps = [F.mse_loss(r[d], h[d].float()) for d in h]
        terms = {"reconstruction": self.reconstruction * mean(gaps)}
        if self.head is not None:
            read = {d: self.head(s[d]).float() for d in h}
            missed = [labelled_cross_entropy(read[d], labels[d]) for d in h]
            terms["semantic"] = self.semantic * mean(missed)
            if self.agreement:
                terms["agreement"] = self.agreement * disagreement(read)
        return terms, r
