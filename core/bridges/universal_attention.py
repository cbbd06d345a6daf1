"""Universal attention: content through a code, style through tokens that all domains share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ..bridge import Needs
from ..code import Code
from ..config import check_number
from ..errors import DataError, SettingError, UnsupportedError
from ..objectives import gaussian_kl
from ..sequences.taught import Taught, teach
from ..signal import Signal
from ..stage import Adam, Batches, Draw, Lazy, Phase, Stage
from .universal_game import Branches
from .universal_losses import diversity_gain, misaligned, misread, per_value
from .universal_settings import UniversalSettings
from .universal_styles import Styles
from .universal_tasks import Made, Task, Translated, check_company, of_same_label, owners, planned


class UniversalAttention(UniversalSettings):
    """M3D-GAN: one architecture for every pair of modalities, with a style one can choose.

    A source's prenet gives its content, a code of tokens. A reference's embedding r, or a draw
    of N(0, I), becomes a style z through universal tokens, and the target's generator makes
    the signal of both::

        source    -> prenet ------------------------> tokens S -+
                                                                +-> generator -> target
        reference -> Enc_r -> r -> universal tokens -> z -------+

    For every task, source to target T, with r ~ q(r | T) in the encoded branch and r_s ~ N(0, I)
    in the sampled one, the translator minimises

        reconstruction E[-log p(T | S, z_r)] + kl KL(q(r | T) | N(0, I))
        + adversarial (L_GAN(S, z_r) + L'_GAN(S, z_s)) + latent ||r_s - Enc_r(G(S, z_s))||_1
        + style ||E[r] - Enc_r(G(S, z_r))||_1
        - distance min(||G(S, z_s) - G(S, z_r)||, m) / ||z_s - z_r||

    against a critic of each branch. A generator that makes one step after another is taught the
    real target's steps, in both branches.

    Source: M3D-GAN (Ma et al. 2019) Eqs. 1-8. Eq. 8 adds Eq. 7 under a minimum, where it is to
    be subtracted; Eqs. 3 and 5 speak of r and Eqs. 1, 2 of z, which only fits if the
    generator reads UTL(r); Eq. 6 lets the encoder learn from the latent regression, in which
    BicycleGAN (Zhu et al. 2017) holds it still, as done here: together they hide r in the
    picture. Symbols: M_in ``prenets``, M_out ``generators``; Enc_r and UTL are in ``styles``.

    ``UniversalSettings`` says what it can be told.

    Raises:
        SettingError: labels are asked for and there are none, or too many; no task, or one twice.
    """

    name = "universal-attention"
    needs = Needs(pairs=True, advice="Records of source and target together are its only teacher.")

    def build(self) -> None:
        self.plan = planned(self.tasks, list(self.domains))
        staked = self.adversarial if isinstance(self.adversarial, Mapping) else ()
        for domain in (*(d for task in self.plan for d in task), *(self.styled or ()), *staked):
            self.check_domain(domain)
        if self.reference == "label" and not self.classes:
            raise SettingError(
                f"{self.name}: reference='label' takes styles from labels, and these records have "
                "none; label them by style, or take reference='target'"
            )
        self.owner = owners(self.domains)
        targets = [task.target for task in self.plan]
        styled = [t for t in targets if self.in_style(t)]
        self.prenets = self._shared((task.source for task in self.plan), self._prenet)
        self.generators = self._shared(targets, self._generator)
        self.styles = None
        if styled:
            own = {self.owner[t]: self.domains[t] for t in styled}
            sizes = self.width, self.latent, self.style_width, self.tokens, self.heads
            self.styles = Styles(own, *sizes, self.classes if self.listening else 0)
        weights = {t: self.stake(t) for t in targets if self.stake(t)}
        self.branches = None
        if weights:
            facing = {t: self.owner[t] for t in weights}
            drawn = self.latent_regression or self.distance  # else there is no such branch
            again = [t for t in styled if t in weights and drawn]
            how = self.conditional, self.styled_critics, self.matching
            self.branches = Branches(facing, again, self._critic, self.game, weights, *how)

    def _shared(self, domains: Iterable[str], make: Callable[[str], nn.Module]) -> nn.ModuleDict:
        """A subnet for each modality of these domains, under its first domain's name."""
        return nn.ModuleDict({d: make(d) for d in dict.fromkeys(self.owner[d] for d in domains)})

    def _prenet(self, domain: str) -> nn.Module:
        return self.domains[domain].prenet(self.width)

    def _generator(self, domain: str) -> nn.Module:
        condition = self.style_width * self.in_style(domain)
        return self.domains[domain].generator(self.width, condition=condition)

    def _critic(self, domain: str, styled: bool) -> nn.Module:
        style = self.style_width * (styled and self.in_style(domain))
        return self.domains[domain].discriminator(condition=self.width * self.conditional + style)

    def in_style(self, domain: str) -> bool:
        """Whether the domain is made in a style (so are all domains of its modality)."""
        if self.styled is None:
            return True
        return self.owner[domain] in {self.owner[d] for d in self.styled}

    def together(self) -> Sequence[Sequence[str]]:
        return self.plan

    def directions(self) -> Sequence[tuple[str, str]]:
        return self.plan

    # -- through the common space ---------------------------------------------------
    def encode(self, signal: Signal, domain: str) -> Code:
        """A signal's content.

        Raises:
            UnsupportedError: no task has this domain as its source.
        """
        net = self._net(self.prenets, domain, "source")
        code: Code = net(signal)
        return code

    def decode(self, code: Code, domain: str, style: Code | None = None) -> Signal:
        """Content in a style: by default the style of r = 0, the mean of the prior.

        Raises:
            UnsupportedError: no task has this domain as its target; or it has no style.
            DataError: no style, or neither one nor one for each item.
        """
        net = self._net(self.generators, domain, "target")
        if style is not None:
            self.check_style(style, domain, len(code))
        if not self.in_style(domain):
            made: Signal = net(code)
            return made
        if style is None:
            style = self._known().of(code.tokens.new_zeros(len(code), self.latent))
        elif len(style) == 1 < len(code):
            style = Code(style.tokens.expand(len(code), -1, -1))
        made = net(code, style)
        return made

    def style(self, reference: Signal, domain: str) -> Code:
        """The style ``[b 1 z]`` of each reference: of the mean of its embedding.

        Raises:
            UnsupportedError: the domain is made in no style.
            DataError: the references are no signal.
        """
        if not isinstance(reference, Signal):
            raise DataError(
                "references are a Signal, as their modality's collate makes it, not a "
                f"{type(reference).__name__}; Translator.style takes items"
            )
        return self._known().of(self._reference(domain)(reference)[0])

    def style_sample(self, n: int) -> Code:
        """n styles of r ~ N(0, I), drawn by torch's generator of the CPU.

        Raises:
            UnsupportedError: no domain is made in a style.
            SettingError: n is below 1.
        """
        check_number(self.name, "n", n, 1, integer=True)
        return self._known().sample(n)

    def style_mix(self, weights: Tensor | Sequence[Sequence[float]]) -> Code:
        """Styles of weights over the universal tokens ``[b k]``, the same for every head.

        Raises:
            UnsupportedError: no domain is made in a style, or there are no tokens.
            DataError: not one finite weight for each token.
        """
        return self._known().mix(weights)

    def _known(self) -> Styles:
        if self.styles is None:
            raise UnsupportedError("no domain of this translator is made in a style")
        return self.styles

    def _reference(self, domain: str) -> nn.Module:
        return self._net(self._known().references, domain, "styled target")

    def _net(self, nets: nn.ModuleDict, domain: str, part: str) -> nn.Module:
        self.check_domain(domain)
        if self.owner[domain] not in nets:
            tasks = ", ".join(f"{s}->{t}" for s, t in self.plan)
            raise UnsupportedError(f"{domain!r} is no {part} of this translator's tasks, {tasks}")
        return nets[self.owner[domain]]

    # -- training -------------------------------------------------------------------
    def stages(self) -> Sequence[Stage]:
        draws = [self._draw(task) for task in self.plan]
        learns: list[nn.Module] = [self.prenets, self.generators]
        before = []
        if self.styles is not None:
            learns.append(self.styles.universal)
            if self.listening:
                styled = {t: self.owner[t] for _, t in self.plan if self.in_style(t)}
                before.append(self.styles.stage(styled, self.listening, 2 * self.batch, draws))
            else:
                learns.append(self.styles.references)
        adam = Adam(self.rate, (self.beta1, 0.999), 0.0, self.schedule, self.warmup)
        player = Phase("translator", learns, self.translator_loss, optimizer=adam, clip=self.clip,
                       ema=self.ema)  # fmt: skip
        phases = [player]
        if self.branches is not None:
            lazy = Lazy("r1", self.critic_penalty) if self.r1 else None
            critic = Adam(self.critic_rate, (self.beta1, 0.999))
            game = Phase("critics", [self.branches], self.critic_loss, lazy, optimizer=critic)
            phases.insert(0, game)
        return [*before, Stage("translation", self.steps, phases, draws, shared=self.translated)]

    def _draw(self, task: Task) -> Draw:
        """Records of a task; where a label lends the style, as many of each, so none is alone."""
        alike = self.reference == "label" and self.in_style(task.target)
        if alike:
            check_company(self.batch, self.classes)
        return Draw(str(task), task, self.batch, "paired", labelled=alike, balanced=alike)

    def translated(self, batches: Batches, step: int) -> tuple[Made, float]:
        """What every task makes of its batch, and how much of the training is left."""
        return {task: self._translate(batches, task) for task in self.plan}, 1 - step / self.steps

    def _translate(self, batches: Batches, task: Task) -> Translated:
        source, target = task
        batch = batches[str(task)]
        real = batch.signals[target]
        generator = self._net(self.generators, target, "target")
        if hasattr(generator, "teach"):  # it makes as many steps as it is told
            real = real.trimmed()
        code: Code = self._net(self.prenets, source, "source")(batch.signals[source].trimmed())
        if not self.in_style(target):
            return Translated(code, real, teach(generator, code, None, real))
        universal = self._known().universal
        mean, std = self._reference(target)(real)
        if self.reference == "label":
            other = of_same_label(batch.labels[target], batch.rows[target]).to(mean.device)
            mean, std = mean[other], std[other]
        z = universal(mean + std * torch.randn_like(std))
        encoded = teach(generator, code, Code.of(z), real)
        if not (self.latent_regression or self.distance):
            return Translated(code, real, encoded, mean, std, styles=(z,))
        r = torch.randn_like(mean)
        drawn = universal(r)
        sampled = teach(generator, code, Code.of(drawn), real)
        return Translated(code, real, encoded, mean, std, sampled, r, (z, drawn))

    def translator_loss(self, batches: Batches, shared: tuple[Made, float]) -> dict[str, Tensor]:
        """The translator's side: what its class says."""
        made, left = shared
        terms: dict[str, Tensor] = {}
        for task, one in made.items():
            of = f"/{task}" if len(self.plan) > 1 else ""
            for name, term in self._task_terms(task.target, one, left).items():
                terms[name + of] = term
        return terms

    def _task_terms(self, target: str, one: Translated, left: float) -> dict[str, Tensor]:
        loss = per_value(self.domains[target], one.encoded, one.real)
        terms = {"reconstruction": self.reconstruction * loss}
        if self.guide and isinstance(one.encoded, Taught) and one.encoded.alignment is not None:
            share = max(0.0, 1 - (1 - left) / self.guide_until)
            terms["alignment"] = self.guide * share * misaligned(one.encoded, one.code)
        if self.branches is not None:
            terms |= self.branches.fooling(target, one)
        if one.mean is None or one.std is None:
            return terms
        if not self.listening:
            terms["kl"] = self.kl * gaussian_kl(one.mean, one.std).mean()
        reader = self._reference(target)
        if self.style_reconstruction:
            weight = self.style_reconstruction * (1 - left >= self.style_reconstruction_from)
            terms["style"] = weight * misread(reader, one.encoded, one.mean)
        if one.sampled is None or one.r is None:
            return terms
        if self.latent_regression:
            terms["latent"] = self.latent_regression * misread(reader, one.sampled, one.r)
        if self.distance:
            z, drawn = one.styles
            gain = diversity_gain(one.sampled, one.encoded, one.real, drawn, z)
            terms["distance"] = -self.distance * left * gain
        return terms

    def critic_loss(self, batches: Batches, shared: tuple[Made, float]) -> dict[str, Tensor]:
        """The critics' side of both games."""
        assert self.branches is not None
        return self.branches.telling(shared[0])

    def critic_penalty(self, batches: Batches, shared: tuple[Made, float]) -> Tensor:
        """R1 of the critics on real items."""
        assert self.branches is not None
        return self.r1 / 2 * self.branches.penalty(shared[0])
