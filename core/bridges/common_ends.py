"""The ends of the common space: from items to representations, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from ..code import Code
from ..draws import require_held
from ..errors import DataError, SettingError, UnsupportedError
from ..layers import layers_of
from ..modality import Modality
from ..objectives import labelled_cross_entropy
from ..signal import Signal
from ..stage import Adam, Batches, Draw, Phase, Stage
from ..table import Column, Table

CHUNK = 512  # items represented at a time


class Ends(nn.Module):
    """Prenets that make a domain's representation h, and generators that render it.

    h is standardised by the training items (CM-GANs leaves it as it is: then a critic tells
    r from h by its sign or scale). Items that are vectors are their own representation, and
    have nothing to learn here.

    Args:
        domains: name -> Modality.
        widths: domain -> width of h.
        classes: 0 where there are no labels.
        generators: whether to have generators for domains whose items are no vectors.
    """

    def __init__(
        self,
        domains: Mapping[str, Modality],
        widths: Mapping[str, int],
        classes: int,
        generators: bool,
    ) -> None:
        super().__init__()
        self.domains, self.classes = dict(domains), classes
        self.prenets = nn.ModuleDict(
            {d: m.prenet(widths[d], pooled=True) for d, m in domains.items()}
        )
        self.generators = nn.ModuleDict(
            {
                # of its layers, which serve codes of one token; parts for longer ones are left out
                d: nn.Sequential(*layers_of(m.generator(widths[d])))
                for d, m in domains.items()
                if generators or m.vector
            }
        )
        self.readers = nn.ModuleDict(
            {d: nn.Linear(widths[d], classes) for d in domains if classes and self.learns(d)}
        )
        for d, width in widths.items():
            self.register_buffer(f"mean_{d}", torch.zeros(width))
            self.register_buffer(f"std_{d}", torch.ones(width))
            self.register_buffer(f"share_{d}", torch.full((classes,), 1 / max(1, classes)))

    def learns(self, domain: str) -> bool:
        """Whether the domain's prenet has anything to learn."""
        return any(p.requires_grad for p in self.prenets[domain].parameters())

    def adopt(self, domain: str, prenet: nn.Module) -> None:
        """Take a trained prenet and hold it still.

        Raises:
            SettingError: its weights are of other names or shapes.
        """
        wanted = {key: value.shape for key, value in self.prenets[domain].state_dict().items()}
        given = {key: value.shape for key, value in prenet.state_dict().items()}
        if wanted != given:  # what is saved with it could not be loaded
            odd = sorted(key for key in {*wanted, *given} if wanted.get(key) != given.get(key))
            raise SettingError(
                f"common-space: the prenet to adopt for {domain!r} is made otherwise than the "
                f"bridge makes one ({', '.join(odd[:3])}); take the modality's pooled prenet of "
                "width representation, with the same settings"
            )
        self.prenets[domain] = prenet.requires_grad_(False)
        if domain in self.readers:  # kept: a loaded translator has one, too
            self.readers[domain].requires_grad_(False)

    def share(self, domain: str) -> Tensor:
        """``[classes]``: how often each stands among the domain's labelled training items."""
        return self.get_buffer(f"share_{domain}")

    def represent(self, signal: Signal, domain: str) -> Tensor:
        """``[b r]``: standardised representations, float32."""
        mean, std = self.get_buffer(f"mean_{domain}"), self.get_buffer(f"std_{domain}")
        code: Code = self.prenets[domain](signal)
        return (code.vector.float() - mean) / std

    def render(self, h: Tensor, domain: str) -> Signal:
        """Standardised representations ``[b r]`` as a signal.

        Raises:
            UnsupportedError: the domain has no generator.
        """
        if domain not in self.generators:
            raise UnsupportedError(
                f"{domain!r} has no generator here, so nothing can be rendered in it; set "
                "generators=True and train again, or give items of it to choose from (among)"
            )
        mean, std = self.get_buffer(f"mean_{domain}"), self.get_buffer(f"std_{domain}")
        made: Signal = self.generators[domain](Code.of(h * std + mean))
        return made

    def measure(self, column: Column, domain: str) -> Tensor:
        """The representations of a domain's training items ``[m r]`` on the CPU.

        Their mean and deviation are noted, for ``represent``, and taken out; and the shares of
        the classes.
        """
        mean, std = self.get_buffer(f"mean_{domain}"), self.get_buffer(f"std_{domain}")
        parts = []
        with torch.no_grad():
            for index in torch.arange(len(column)).split(CHUNK):
                code: Code = self.prenets[domain](column.take(index).to(mean.device))
                parts.append(code.vector.float().cpu())
        h = torch.cat(parts)
        far = h.std(0, correction=0)
        far = torch.where(far > 1e-5 * far.mean(), far, torch.ones_like(far))
        mean.copy_(h.mean(0))
        std.copy_(far)
        known = column.labels[column.labels >= 0]
        if self.classes and len(known):
            counts = torch.bincount(known, minlength=self.classes)
            self.share(domain).copy_(counts / len(known))
        return (h - h.mean(0)) / far

    # -- training -------------------------------------------------------------------
    def stages(self, steps: int, batch: int, later: Sequence[Draw]) -> list[Stage]:
        """How prenets and generators learn; nothing where all domains are of vectors.

        Args:
            steps, batch: of the training.
            later: what the stages after it draw, which is made sure of before it.

        Raises:
            SettingError: a prenet has nothing to learn from.
        """
        reading = [d for d in self.prenets if self.learns(d)]
        making = [d for d in self.generators if not self.domains[d].vector]
        blind = [d for d in reading if not self.classes and d not in making]
        if blind:
            raise SettingError(
                f"common-space: the prenets of {', '.join(blind)} learn from labels or by a "
                "generator; give labels, set generators=True, or adopt trained prenets"
            )
        names = tuple(d for d in self.domains if d in reading or d in making)
        if not names:
            return []
        prenets = [self.prenets[d] for d in reading]
        generators = [self.generators[d] for d in making]
        adam = Adam(1e-3, schedule="cosine")
        phases = []
        if self.classes and reading:
            readers = [self.readers[d] for d in reading]
            phases.append(Phase("prenets", prenets + readers, self.read_loss, optimizer=adam))
        if making:
            learns = generators if self.classes else prenets + generators
            phases.append(Phase("generators", learns, self.render_loss, optimizer=adam))
        prepare = partial(self.sighted, reading if self.classes else [], later)
        return [Stage("ends", steps, phases, [Draw("items", names, batch)], prepare)]

    def sighted(
        self,
        reading: Sequence[str],
        later: Sequence[Draw],
        table: Table,
        generator: torch.Generator,
    ) -> Table:
        """The table as it is, once these domains have labels for their prenets to learn from.

        Raises:
            DataError: no item of some domain has one; the table does not hold a later draw.
        """
        blind = [d for d in reading if not bool((table.column(d).labels >= 0).any())]
        if blind:
            raise DataError(
                f"common-space: the prenets of {', '.join(blind)} learn from labels, and none of "
                "their items has one; label some in each domain, leave all labels out and set "
                "generators=True, or adopt trained prenets"
            )
        require_held(later, table)
        return table

    def read_loss(self, batches: Batches) -> dict[str, Tensor]:
        """How badly the classes are read from the representations of augmented items."""
        batch = batches["items"]
        terms = {}
        for d, reader in self.readers.items():
            if not self.learns(d):
                continue
            seen = self.domains[d].augment(batch.signals[d], torch.default_generator)
            logits = reader(self.prenets[d](seen).vector)
            terms[d] = labelled_cross_entropy(logits, batch.labels[d].to(logits.device))
        return terms

    def render_loss(self, batches: Batches) -> dict[str, Tensor]:
        """How badly generators render representations, in the modality's nats."""
        batch = batches["items"]
        terms = {}
        for d in batch.signals:
            if d in self.generators:
                real = batch.signals[d]
                made = self.generators[d](self.prenets[d](real))
                terms[d] = self.domains[d].reconstruction(made, real).mean()
        return terms
