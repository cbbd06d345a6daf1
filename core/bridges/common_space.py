"""Common space: autoencoders of representations that meet in one space, by an adversarial game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..adversarial import GAMES
from ..bridge import Bridge
from ..code import Code
from ..config import check_choice, check_number
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


class CommonSpace(Bridge):
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

    ``published`` holds the paper's networks; it names no rates, lengths or weights, so these
    are ours. The defaults differ: see each setting.

    Args:
        hidden: width of the layers that are a domain's own.
        common: width of s.
        dropout: in the encoders.
        shared: share the encoders' last map (the paper's "ws").
        semantic: weight of the semantic head's cross-entropy, 0 for no head (the paper's "sc").
        agreement: weight of the divergence between what the head reads in matched items of two
            domains, both ways; 0 as published. Ours: a domain whose classes are hard to tell
            learns from one where they are easy.
        reconstruction: weight of the squared error of r.
        inter, intra: weights of the two kinds of critic, 0 for none.
        critic: hidden width of the inter-modality critics.
        mismatch: the condition of a stranger, ``"anchor"`` or ``"literal"``.
        game: ``"non-saturating"``, ``"least-squares"`` or ``"hinge"``.
        match: whose items belong together: ``"pairs"``, those of one record, or ``"classes"``,
            any of one class.
        retrieve: what ``embed`` gives: ``"common"`` is s, as published; ``"semantic"`` what the
            head reads in it: probabilities of classes, less their shares in the training data,
            so that the cosine sees what is special (s where there is no head).
        turns: steps of the generators for one of the critics.
        pretrain_steps, steps, batch: batch counts items of each domain.
        rate, critic_rate, beta1, schedule: of Adam.
        representation: width of h, for domains whose items are not vectors already.
        ends_steps: of prenets and generators.
        generators: whether domains whose items are no vectors get a generator; without one,
            ``decode`` is refused for them; ``translate`` can choose among items instead.

    Raises:
        SettingError: a setting out of its range.
    """

    name = "common-space"
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "wikipedia": {
            "hidden": 1024, "common": 1024, "dropout": 0.0, "agreement": 0.0,
            "reconstruction": 0.1, "inter": 0.1, "intra": 0.1, "critic": 512,
            "retrieve": "common", "turns": 3, "batch": 64, "rate": 1e-4, "critic_rate": 1e-4,
            "beta1": 0.5, "schedule": "constant", "steps": 1000, "pretrain_steps": 200,
        },
    }  # fmt: skip

    def __init__(
        self,
        *,
        hidden: int = 256,
        common: int = 256,
        dropout: float = 0.5,
        shared: bool = True,
        semantic: float = 1.0,
        agreement: float = 1.0,
        reconstruction: float = 0.1,
        inter: float = 0.1,
        intra: float = 0.1,
        critic: int = 256,
        mismatch: Literal["anchor", "literal"] = "anchor",
        game: str = "non-saturating",
        match: Literal["pairs", "classes"] = "pairs",
        retrieve: Literal["common", "semantic"] = "semantic",
        turns: int = 1,
        pretrain_steps: int = 100,
        steps: int = 400,
        batch: int = 64,
        rate: float = 1e-3,
        critic_rate: float = 3e-4,
        beta1: float = 0.9,
        schedule: Literal["constant", "cosine", "late"] = "cosine",
        representation: int = 64,
        ends_steps: int = 1000,
        generators: bool = True,
    ) -> None:
        super().__init__()
        whole = {"hidden": hidden, "common": common, "critic": critic, "turns": turns,
                 "steps": steps, "pretrain_steps": pretrain_steps,
                 "representation": representation, "ends_steps": ends_steps}  # fmt: skip
        for key, count in whole.items():
            check_number(self.name, key, count, 1, integer=True)
        check_number(self.name, "batch", batch, 2, integer=True)
        weights = {"semantic": semantic, "reconstruction": reconstruction, "inter": inter,
                   "agreement": agreement, "intra": intra, "rate": rate,
                   "critic_rate": critic_rate}  # fmt: skip
        for key, value in weights.items():
            check_number(self.name, key, value, 0)
        for key, value in {"dropout": dropout, "beta1": beta1}.items():
            check_number(self.name, key, value, 0, 0.999)
        check_choice(self.name, "mismatch", mismatch, ("anchor", "literal"))
        check_choice(self.name, "match", match, ("pairs", "classes"))
        check_choice(self.name, "retrieve", retrieve, ("common", "semantic"))
        check_choice(self.name, "game", game, tuple(GAMES))
        self.hidden, self.common, self.dropout, self.shared = hidden, common, dropout, shared
        self.semantic, self.agreement, self.reconstruction = semantic, agreement, reconstruction
        self.inter, self.intra, self.critic = inter, intra, critic
        self.mismatch, self.game, self.match, self.retrieve = mismatch, game, match, retrieve
        self.turns, self.pretrain_steps, self.steps = turns, pretrain_steps, steps
        self.batch, self.beta1, self.schedule = batch, beta1, schedule
        self.rate, self.critic_rate, self.generators = rate, critic_rate, generators
        self.representation, self.ends_steps = representation, ends_steps

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
            *self.ends.stages(self.ends_steps, self.batch),
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
