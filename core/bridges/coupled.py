"""Coupled GANs: what bridges have in common whose generators share one latent vector."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..adversarial import (
    GAMES,
    augmented,
    diversity,
    gradient_penalty,
    spectral,
    steep,
)
from ..code import Code
from ..errors import SettingError, UnsupportedError
from ..latents.inversion import invert
from ..latents.reach import require_reached, squared_error
from ..progress import Tick
from ..signal import Signal
from ..stage import Adam, Batch, Batches, Draw, Lazy, Phase, Stage
from ..table import Table
from .coupled_settings import CoupledSettings

Signals = dict[str, Signal]


@dataclass(frozen=True)
class Made:
    """What the generators made of one draw.

    Args:
        z: latent vectors ``[b width]``.
        signals: made of them, in all domains.
    """

    z: Tensor
    signals: Signals


class CoupledGANs(CoupledSettings):
    """One latent vector z drives the generators of all domains; each faces a critic.

    The common space is that of z: ``decode`` is a domain's generator, ``encode`` looks for
    the z whose made signal is nearest to the query (``latents.inversion``), from a learned
    inverse's answer and from other starts. A bridge of this kind says how z becomes
    signals, how the critics judge them, and what else is learned.

    ``CoupledSettings`` says what it can be told.

    Raises:
        SettingError: there are fewer domains than two.
    """

    searches = True

    def build(self) -> None:
        if len(self.domains) < 2:
            raise SettingError(f"{self.name} ties two domains or more, not {len(self.domains)}")
        self.build_game()
        inverses = {
            domain: modality.prenet(self.space.width, pooled=True)
            for domain, modality in self.domains.items()
        }
        self.inverses = nn.ModuleDict(inverses if self.inverted else {})
        for domain in self.domains:
            self.register_buffer(f"variance_{domain}", torch.zeros(()))

    @property
    def inverted(self) -> bool:
        """Whether inverses are learned."""
        return self.inverse_steps > 0

    @abstractmethod
    def build_game(self) -> None:
        """Build the generators, the critics and what else plays."""

    def check_makers(self, ends: Mapping[str, nn.Module], *shared: nn.Module) -> None:
        """Refuse to train where what a domain makes of z is noise for good.

        Raises:
            SettingError: a generator has nothing to learn.
        """
        for domain, end in ends.items():
            if not any(list(net.parameters()) for net in (end, *shared)):
                raise SettingError(
                    f"{self.name}: items of {domain!r} are vectors as wide as z, so that their "
                    "generator only scales z and has nothing to learn; set latent to another width "
                    f"than {self.latent}"
                )

    def normed(self, critic: nn.Module) -> nn.Module:
        """A critic by the bridge's setting, with spectral norm or as it is."""
        return spectral(critic) if self.spectral_norm else critic

    @abstractmethod
    def make(self, z: Tensor, domains: Sequence[str]) -> Signals:
        """The signals of latent vectors ``[b width]`` in these domains."""

    @abstractmethod
    def judge(self, signals: Mapping[str, Signal]) -> dict[str, Tensor]:
        """The critics' logits ``[b]`` by domain."""

    # -- through the common space ---------------------------------------------------
    def encode(self, signal: Signal, domain: str) -> Code:
        """The latent vector whose made signal is nearest, for each item by itself.

        Raises:
            ReachError: the generator comes nowhere near an item; says which, and how far it is.
        """
        return self.encode_telling(signal, domain)

    def encode_telling(self, signal: Signal, domain: str, tick: Tick | None = None) -> Code:
        self.check_domain(domain)

        def decode(z: Tensor) -> Signal:
            return self.make(self.space.snap(z), [domain])[domain]

        with torch.no_grad():
            count, device = self.search.restarts, signal.values.device
            if domain in self.inverses:
                guess = self.inverses[domain](signal).vector.float()
                starts = self.space.around(guess, count)
            else:
                starts = self.space.starts(count, device).expand(len(signal), -1, -1)
        found = invert(
            decode,
            signal,
            starts,
            search=self.search,
            score=self.scorer(domain),
            tick=tick,
            normal=self.latent,
        )
        limit = self.reach * float(self.get_buffer(f"variance_{domain}"))
        if limit:  # 0 before any training
            require_reached(found.residual, limit, domain)
        return Code.of(self.space.snap(found.z))

    def scorer(self, domain: str) -> Any:
        """What chooses among an inversion's restarts; None for the smallest distance."""
        return None

    def decode(self, code: Code, domain: str, style: Code | None = None) -> Signal:
        self.check_domain(domain)
        # a code on the way between two others may lie between concepts
        return self.make(self.space.snap(code.vector), [domain])[domain]

    def prior(self, n: int) -> Code:
        device = next(self.parameters()).device
        z = self.space.draw(n, torch.device("cpu"), self.truncation)
        return Code.of(z.to(device))

    # -- training -------------------------------------------------------------------
    def adam(self, rate: float) -> Adam:
        """The optimiser of a player of the game."""
        betas = (self.beta1, self.beta2)
        return Adam(rate, betas, self.weight_decay, self.schedule, self.warmup)

    def inverse_stage(self) -> Stage:
        """The regression of z on the generators' own samples."""
        names = tuple(self.domains)
        phase = Phase(
            "inverse", [self.inverses], self.inverse_loss, optimizer=Adam(1e-3, schedule="cosine")
        )
        draws = [Draw("items", names, self.batch)]
        return Stage("inverse", self.inverse_steps, [phase], draws)

    def check_smooth(self, table: Table) -> None:
        """Refuse domains of discrete units, of which generators make probabilities.

        Critics would tell these from real units at a glance, and have no slope at units.

        Raises:
            UnsupportedError: naming them.
        """
        columns = {domain: table.column(domain) for domain in self.domains}
        few = {d: column.take(torch.arange(len(column))[:1]) for d, column in columns.items()}
        discrete = [d for d, items in few.items() if not items.values.is_floating_point()]
        if discrete:
            raise UnsupportedError(
                f"{self.name}: items of {', '.join(discrete)} are discrete units, as texts are, "
                "and its critics compare made items with real ones number by number; leave these "
                "domains out, or choose bridging-vae, common-space or universal-attention"
            )

    def measured(self, table: Table, generator: torch.Generator) -> Table:
        """The table as it is, the variance of every domain's items being noted.

        Raises:
            UnsupportedError: a domain is of discrete units.
        """
        self.check_smooth(table)
        for domain in self.domains:
            column = table.column(domain)
            few = torch.randperm(len(column), generator=generator)[:1000]
            items = column.take(few)
            mean = items.values.float().mean(0, keepdim=True).expand_as(items.values)
            far = squared_error(Signal(mean, items.lengths), items).mean()
            self.get_buffer(f"variance_{domain}").copy_(far)
        return table

    def imagined(self, batches: Batches, step: int) -> Made:
        """A draw of z as signals of all domains, as many as there are real items."""
        z = self.drawn(batches)
        return Made(z, self.make(z, list(self.domains)))

    def drawn(self, batches: Batches) -> Tensor:
        """A draw of z for each real item."""
        n = len(next(iter(batches["items"].signals.values())))
        return self.space.draw(n, next(self.parameters()).device)

    def seen(self, signals: Mapping[str, Signal]) -> Signals:
        """As the critics see them."""
        if not self.augment:
            return dict(signals)
        return {d: augmented(self.domains[d], signal) for d, signal in signals.items()}

    def faced(self, batches: Batches, made: Signals) -> Signals:
        """Real items and made ones, as the critics see them, in one batch of each domain."""
        real = batches["items"].signals
        return self.seen(
            {
                d: Signal.cat([real[d], Signal(made[d].values.detach(), made[d].lengths)])
                for d in self.domains
            }
        )

    def critic_terms(
        self, batches: Batches, made: Signals, logits: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The critics' side of the game by their logits of ``faced``, and how it stands."""
        game, real = GAMES[self.game], batches["items"].signals
        parts = {d: logits[d].split(len(real[d])) for d in self.domains}
        losses = [game.critic(*parts[d]) for d in self.domains]
        notes = {f"right/{d}": game.right(*parts[d]) for d in self.domains}
        notes |= {f"diversity/{d}": diversity(made[d], real[d]) for d in self.domains}
        return {"adversarial": torch.stack(losses).sum(), **notes}

    def critic_loss(self, batches: Batches, made: Made) -> dict[str, Tensor]:
        """The critics' side of the game."""
        signals = made.signals
        return self.critic_terms(batches, signals, self.judge(self.faced(batches, signals)))

    def critic_penalty(self, batches: Batches, made: Made) -> Tensor:
        """R1 of every critic on real items."""
        real = {d: steep(x) for d, x in self.seen(batches["items"].signals).items()}
        logits = self.judge(real)
        each = [gradient_penalty(logits[d], real[d].values) for d in self.domains]
        return self.r1 / 2 * torch.stack(each).sum()

    def fooling(self, made: Signals) -> Tensor:
        """The generators' side of the game."""
        return self.fooled(self.judge(self.seen(made)))

    def fooled(self, logits: Mapping[str, Tensor]) -> Tensor:
        """The generators' side of the game by the critics' logits of what they made."""
        return torch.stack([GAMES[self.game].maker(x) for x in logits.values()]).sum()

    def lazy(self) -> Lazy | None:
        return Lazy("r1", self.critic_penalty, self.r1_every) if self.r1 else None

    def inverse_loss(self, batches: Batches) -> dict[str, Tensor]:
        """What the learned inverses miss of z on made signals."""
        batch: Batch = batches["items"]
        n = len(next(iter(batch.signals.values())))
        with torch.no_grad():
            z = self.space.draw(n, next(self.parameters()).device)
            made = self.make(z, list(self.domains))
        return self.inverse_misses(z, made)

    def inverse_misses(self, z: Tensor, made: Signals) -> dict[str, Tensor]:
        """What each domain's inverse misses of the z that signals were made of."""
        return {d: self.space.miss(self.inverses[d](made[d]).vector, z) for d in self.domains}
