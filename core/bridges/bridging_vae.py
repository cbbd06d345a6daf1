"""Bridging VAE: one conditional VAE over the latent spaces of the domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bridge import Needs
from ..code import Code
from ..errors import SettingError
from ..latents.base import LatentModel
from ..latents.gan import GAN
from ..latents.reader import Reader
from ..latents.self_training import SelfTraining
from ..latents.vae import VAE
from ..modality import Modality
from ..objectives import gaussian_kl, labelled_cross_entropy, sliced_wasserstein
from ..signal import Signal
from ..stage import Adam, Batch, Draw, Phase, Stage
from ..table import Table
from .bridging_settings import BridgingSettings
from .gated import ConditionalVAE

ADVICE = "Where some domains have labels, all want some; label a few, or leave all labels out."


class BridgingVAE(BridgingSettings):
    """Latent Domain Transfer: pretrained latent models joined by one shared conditional VAE.

    Stages: a latent model per domain (VAE, or GAN with rejection sampling), then the bridge,
    which learns from latent vectors alone and minimises, with z of every domain in one batch,

        mean ||z - g(z', D)||^2 + kl KL(q(z'|z, D) || N(0, I))
        + swd SWD(Z'_1, Z'_2) + classification CE(f(z'), y)

    where z' ~ q(z'|z, D). Translation takes means all the way: x -> z -> z' -> z -> x.

    Symbols of the paper (sec. 2, App. A, B): z_d is ``z``, z' is ``shared``, D the domain's
    one-hot, beta_KL ``kl``, beta_SWD ``swd``, beta_Cls ``classification``, f ``classifier``.

    Reductions: squared error is the mean over dimensions and items; KL the sum over dimensions,
    mean over items, as in the authors' code. The paper prints beta_KL = .05, which fits neither
    reduction of its text; their code runs .005.

    ``BridgingSettings`` says what it can be told.

    Raises:
        SettingError: there are fewer domains than two, or ``gans`` names none of them.
    """

    name = "bridging-vae"

    def build(self) -> None:
        for domain in self.gans:
            if domain not in self.domains:
                raise SettingError(
                    f"bridging-vae: gans names {domain!r}, which is none of the domains "
                    f"{', '.join(self.domains)}"
                )
        if len(self.domains) < 2:
            raise SettingError(f"bridging-vae joins two or more domains, not {len(self.domains)}")
        self.models = nn.ModuleDict(
            {
                domain: self.make_model(domain, modality, self.classes)
                for domain, modality in self.domains.items()
            }
        )
        self.readers = nn.ModuleDict(
            {
                domain: self.make_reader(modality, self.classes)
                for domain, modality in self.domains.items()
                if self._reads(domain)
            }
        )
        told = len(self.domains) if self.conditional else 0
        self.shared = ConditionalVAE(self.latent, self.width, told, self.hidden, self.depth)
        self.needs = Needs(self.classes > 0 and self._labels_everywhere(), advice=ADVICE)
        self.classifier: nn.Linear | None = None
        if self.classes and self.classification:
            self.classifier = nn.Linear(self.width, self.classes)
            self.classifier.requires_grad_(not self.fixed_head)

    def make_model(self, domain: str, modality: Modality, classes: int) -> LatentModel:
        """An untrained latent model by this bridge's settings, to be trained on its own."""
        if domain in self.gans:
            return GAN(modality, self.latent, classes=classes, steps=self.latent_steps)
        return VAE(
            modality,
            self.latent,
            classes=classes,
            class_weight=self.class_weight,
            reading=self.reading,
            steps=self.latent_steps,
            augment=self.augment,
            copies=self.copies,
        )

    def make_reader(self, modality: Modality, classes: int) -> Reader:
        """An untrained reader by this bridge's settings."""
        kind = SelfTraining if self.pseudo_labels else Reader
        return kind(modality, classes, steps=self.reader_steps)

    def _reads(self, domain: str) -> bool:
        """Whether anything leans on a reader of the domain."""
        leans = self.pseudo_labels or domain in self.gans or self.reading > 0
        return self.classes > 1 and leans

    def _labels_everywhere(self) -> bool:
        """Whether some draw takes labelled items of every domain, where there are labels."""
        drawn = self.balanced or self.classification > 0
        return drawn or all(self._reads(domain) for domain in self.domains)

    def reader(self, domain: str) -> Reader | None:
        """The reader of a domain, None where nothing leans on one."""
        if domain not in self.readers:
            return None
        found = self.readers[domain]
        assert isinstance(found, Reader)
        return found

    def model(self, domain: str) -> LatentModel:
        """The latent model of a domain."""
        self.check_domain(domain)
        found = self.models[domain]
        assert isinstance(found, LatentModel)
        return found

    def adopt(self, domain: str, model: LatentModel) -> None:
        """Take a latent model that is trained already; it is held still and not trained again.

        Raises:
            SettingError: its latent vector is of another width, or its weights of other shapes.
        """
        self.check_domain(domain)
        if model.width != self.latent:
            raise SettingError(
                f"bridging-vae has latent={self.latent}; the model to adopt for {domain!r} has "
                f"{model.width}"
            )
        wanted = {key: value.shape for key, value in self.model(domain).state_dict().items()}
        given = {key: value.shape for key, value in model.state_dict().items()}
        if wanted != given:
            odd = sorted(key for key in {*wanted, *given} if wanted.get(key) != given.get(key))
            raise SettingError(
                f"bridging-vae: the model to adopt for {domain!r} is made otherwise than these "
                f"settings make one ({', '.join(odd[:3])}); give both the same settings"
            )
        self.models[domain] = model.requires_grad_(False)

    # -- through the common space ---------------------------------------------------
    def _index(self, domain: str, n: int, device: torch.device) -> Tensor:
        return torch.full((n,), list(self.domains).index(domain), device=device)

    def encode(self, signal: Signal, domain: str) -> Code:
        z = self.model(domain).posterior(signal)[0]
        return Code.of(self.shared.encode(z, self._index(domain, len(z), z.device))[0])

    def decode(self, code: Code, domain: str, style: Code | None = None) -> Signal:
        model, shared = self.model(domain), code.vector
        return model.decode(
            self.shared.decode(shared, self._index(domain, len(shared), shared.device))
        )

    def prior(self, n: int) -> Code:
        """n draws of z' ~ N(0, I)."""
        device = next(self.shared.parameters()).device
        return Code.of(torch.randn(n, self.width, dtype=torch.float32).to(device))

    # -- training -------------------------------------------------------------------
    def stages(self) -> list[Stage]:
        stages: list[Stage] = []
        for domain in self.domains:
            model, reader = self.model(domain), self.reader(domain)
            if reader is not None:
                stages.append(reader.stage(domain))
            if any(p.requires_grad for p in model.parameters()):  # else it was adopted
                stages += [
                    replace(stage, prepare=partial(self._named, (domain,)))
                    for stage in model.stages(domain, reader)
                ]
        names = tuple(self.domains)
        balanced = self.balanced and self.classes > 0
        draws = [Draw("items", names, self.batch, balanced=balanced)]
        if self.classifier is not None and not self.balanced:
            draws.append(Draw("labelled", names, self.batch, balanced=True))
        learns: list[nn.Module] = [self.shared]
        if self.classifier is not None and not self.fixed_head:
            learns.append(self.classifier)
        phase = Phase("bridge", learns, self.loss, optimizer=Adam(self.lr, schedule=self.schedule))
        stages.append(Stage("bridge", self.steps, [phase], draws, self._encoded))
        return stages

    def _named(self, domains: Sequence[str], table: Table, generator: torch.Generator) -> Table:
        """The table with the readers' names for items of these domains that have no label."""
        for domain in domains:
            reader = self.reader(domain)
            if reader is not None:
                table = reader.name(table, domain)
        return table

    def _encoded(self, table: Table, generator: torch.Generator) -> Table:
        """The table of latent vectors the bridge learns from."""
        table = self._named(tuple(self.domains), table, generator)
        columns = {
            domain: self.model(domain).latents(table.column(domain), generator, self.reader(domain))
            for domain in self.domains
        }
        return Table(columns, table.classes)

    def loss(self, draws: Mapping[str, Batch]) -> dict[str, Tensor]:
        """The weighted terms on a batch of latent vectors (see the class)."""
        mean, std, domain, labels = self._joined(draws["items"])
        z = mean + std * torch.randn_like(std)
        m, s = self.shared.encode(z, domain)
        shared = m + s * torch.randn_like(s)
        target = z if self.sampled_target else mean
        terms = {"reconstruction": F.mse_loss(self.shared.decode(shared, domain), target)}
        if self.kl:
            terms["kl"] = self.kl * gaussian_kl(m, s).mean()
        if self.swd:
            pairs = list(combinations(shared.chunk(len(self.domains)), 2))
            far = torch.stack([sliced_wasserstein(a, b, self.projections) for a, b in pairs])
            terms["swd"] = self.swd * far.mean()
        if self.classifier is not None:
            if self.balanced:
                named, truth = shared, labels
            else:
                named, truth = self._labelled(draws["labelled"])
            terms["class"] = self.classification * labelled_cross_entropy(
                self.classifier(named), truth
            )
        return terms

    def _joined(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All domains in one batch: mean, std ``[n b, latent]``, domain and label ``[n b]``."""
        values = torch.cat([signal.values for signal in batch.signals.values()])
        domain = torch.cat(
            [
                self._index(name, len(signal), signal.values.device)
                for name, signal in batch.signals.items()
            ]
        )
        labels = torch.cat(list(batch.labels.values())).to(values.device)
        return values[:, 0], values[:, 1], domain, labels

    def _labelled(self, batch: Batch) -> tuple[Tensor, Tensor]:
        mean, std, domain, labels = self._joined(batch)
        m, s = self.shared.encode(mean + std * torch.randn_like(std), domain)
        return m + s * torch.randn_like(s), labels
