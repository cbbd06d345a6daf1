"""Universal attention: content through a code, style through tokens that all domains share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..adversarial import GAMES
from ..bridge import Bridge, Needs
from ..code import Code
from ..config import check_choice, check_number
from ..errors import DataError, SettingError, UnsupportedError
from ..objectives import gaussian_kl
from ..sequences.taught import Taught, teach
from ..signal import Signal
from ..stage import Adam, Batches, Draw, Lazy, Phase, Stage
from .universal_game import Branches
from .universal_losses import diversity_gain, held_still, misaligned, per_value
from .universal_styles import Styles
from .universal_tasks import Made, Task, Translated, of_same_label, owners


class UniversalAttention(Bridge):
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
        - distance min(||G(S, z_s) - G(S, z_r)||, m) / ||z_s - z_r||

    against a critic of each branch. A generator that makes one step after another is taught the
    real target's steps, in both branches.

    Source: M3D-GAN (Ma et al. 2019) Eqs. 1-8. Eq. 8 adds Eq. 7 under a minimum, where it is to
    be subtracted; Eqs. 3 and 5 speak of r and Eqs. 1, 2 of z, which only fits if the
    generator reads UTL(r); Eq. 6 lets the encoder learn from the latent regression, in which
    BicycleGAN (Zhu et al. 2017) holds it still, as done here: together they hide r in the
    picture. Symbols: M_in ``prenets``, M_out ``generators``; Enc_r and UTL are in ``styles``.

    ``published`` holds the paper's sizes and rates. It names no weights: those of its pictures
    are BicycleGAN's (10 on the mean absolute error, which a
    ``likelihood="laplace"`` of scale 0.1 comes to; 1 on least squares, of which ours are
    halved; .5 and .01), those of its sequences our own. The defaults differ: a narrower r
    (BicycleGAN's is 8; wide ones carry content), a lighter KL, a larger rate that falls, an
    average of the weights, R1.

    Args:
        tasks: pairs (source, target); every ordered pair of domains when not given. Only what
            they name is built.
        styled: domains that are made in a style; all when not given, ``()`` for none.
        reference: whose style a target is taught in: ``"target"``, its own, as published, or
            ``"label"``, that of an item of the same label in the batch: labels are then styles,
            and r can carry no content.
        listening: steps of a stage of its own, before the rest, in which references learn to
            tell the styles that labels name; they are then held still, see ``Styles``. 0 to
            learn with the rest, as published.
        width: d of codes.
        latent: of r.
        style_width: of z.
        tokens: universal tokens, 0 for a linear map in their place (the ablation "w/o Att").
        heads: of the attention over tokens.
        reconstruction: weight of the mean nats per number, see ``universal_losses.per_value``.
        kl: weight, of the sum over the numbers of r. BicycleGAN's .01 emptied r in our trainings
            before the generator had begun to listen to it: where a style moves few numbers,
            as a voice does, 1e-4 and less.
        adversarial: weight of both games; one number, or a weight by target domain (texts bear
            0.1 or less). 0 for no critics.
        matching: weight of feature matching in the encoded branch, see ``Branches.matching``; with
            it a game may weigh what else tears pictures up. 0 for none, as published.
        latent_regression: weight of the error of r. With this and ``distance`` at 0 no style is
            drawn, and Eq. 4 alone is left: the paper's "cVAE-GAN", with tokens "L_GAN^VAE".
        distance: weight of the distance regularisation, which falls to 0 over the training.
        guide: weight of the guided attention loss for generators that attend, which falls to 0
            over the first part of the training.
        guide_until: that part, in (0, 1].
        conditional: let critics see the source (Eq. 1); BicycleGAN's do not.
        styled_critics: let critics of the encoded branch see the style that was asked for. Else
            whatever is real in one style passes in every other.
        game: ``"non-saturating"``, ``"least-squares"`` or ``"hinge"``.
        r1: weight of the gradient penalty on real items (times 1/2), every 16th turn.
        steps, batch: batch counts pairs of each task.
        rate, critic_rate, beta1, schedule, warmup, clip: of Adam.
        ema: decay of the running average of the translator, None for none.

    Raises:
        SettingError: a setting out of its range; labels are asked for and there are none.
    """

    name = "universal-attention"
    needs = Needs(pairs=True, advice="Records of source and target together are its only teacher.")
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "image": {
            "latent": 128, "style_width": 256, "kl": 0.01, "game": "least-squares",
            "conditional": False, "adversarial": 2.0,
            "rate": 2e-4, "critic_rate": 2e-4, "beta1": 0.5, "schedule": "constant",
            "warmup": 0, "clip": None, "r1": 0.0, "ema": None, "batch": 2,
        },
        "sequence": {
            "latent": 128, "style_width": 256, "kl": 0.01, "game": "least-squares",
            "rate": 1e-3, "critic_rate": 1e-3, "schedule": "constant",
            "warmup": 0, "clip": 1.0, "r1": 0.0, "ema": None, "batch": 32, "steps": 200_000,
        },
    }  # fmt: skip

    def __init__(
        self,
        *,
        tasks: Sequence[Sequence[str]] | None = None,
        styled: Sequence[str] | None = None,
        reference: Literal["target", "label"] = "target",
        listening: int = 0,
        width: int = 128,
        latent: int = 16,
        style_width: int = 128,
        tokens: int = 10,
        heads: int = 4,
        reconstruction: float = 1.0,
        kl: float = 1e-4,
        adversarial: float | Mapping[str, float] = 0.1,
        matching: float = 0.0,
        latent_regression: float = 0.5,
        distance: float = 1.0,
        guide: float = 0.0,
        guide_until: float = 0.5,
        conditional: bool = True,
        styled_critics: bool = False,
        game: str = "non-saturating",
        r1: float = 0.1,
        steps: int = 4000,
        batch: int = 32,
        rate: float = 1e-3,
        critic_rate: float = 3e-4,
        beta1: float = 0.5,
        schedule: Literal["constant", "cosine", "late"] = "cosine",
        warmup: int = 200,
        clip: float | None = 1.0,
        ema: float | None = 0.999,
    ) -> None:
        super().__init__()
        whole = {"width": width, "latent": latent, "style_width": style_width, "heads": heads,
                 "steps": steps}  # fmt: skip
        for key, count in whole.items():
            check_number(self.name, key, count, 1, integer=True)
        check_number(self.name, "batch", batch, 2, integer=True)
        for key, count in {"tokens": tokens, "warmup": warmup, "listening": listening}.items():
            check_number(self.name, key, count, 0, integer=True)
        by_domain = adversarial if isinstance(adversarial, Mapping) else {"": adversarial}
        weights = {"reconstruction": reconstruction, "kl": kl, "distance": distance, "r1": r1,
                   "matching": matching,
                   "latent_regression": latent_regression, "guide": guide, "rate": rate,
                   "critic_rate": critic_rate, "clip": clip or 0.0,
                   **{f"adversarial {d}".strip(): w for d, w in by_domain.items()}}  # fmt: skip
        for key, value in weights.items():
            check_number(self.name, key, value, 0)
        check_number(self.name, "guide_until", guide_until, 1e-6, 1)
        for key, value in {"beta1": beta1, "ema": ema or 0.0}.items():
            check_number(self.name, key, value, 0, 1)
        check_choice(self.name, "reference", reference, ("target", "label"))
        check_choice(self.name, "game", game, tuple(GAMES))
        if matching and not any(by_domain.values()):
            raise SettingError(
                f"{self.name}: matching compares what critics see, and there are none; set "
                "adversarial above 0, or matching=0"
            )
        if style_width % heads:
            raise SettingError(
                f"{self.name}: style_width ({style_width}) is no multiple of heads ({heads})"
            )
        self.tasks = None if tasks is None else [list(Task.of(task)) for task in tasks]
        self.styled = None if styled is None else list(styled)
        self.reference, self.listening, self.width = reference, listening, width
        self.latent, self.style_width = latent, style_width
        self.tokens, self.heads = tokens, heads
        self.reconstruction, self.kl, self.adversarial = reconstruction, kl, adversarial
        self.matching = matching
        self.latent_regression, self.distance = latent_regression, distance
        self.guide, self.guide_until = guide, guide_until
        self.conditional, self.styled_critics = conditional, styled_critics
        self.game, self.r1 = game, r1
        self.steps, self.batch, self.rate, self.critic_rate = steps, batch, rate, critic_rate
        self.beta1, self.schedule, self.warmup, self.clip = beta1, schedule, warmup, clip
        self.ema = ema

    def build(self) -> None:
        if self.tasks is None:
            if len(self.domains) < 2:
                raise SettingError(f"{self.name} joins two domains or more, or names its tasks")
            self.plan = [Task(s, t) for s in self.domains for t in self.domains if s != t]
        else:
            self.plan = [Task.of(task) for task in self.tasks]
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

    def stake(self, domain: str) -> float:
        """The weight of the adversarial game over a domain."""
        if isinstance(self.adversarial, Mapping):
            return self.adversarial.get(domain, 0.0)
        return self.adversarial

    def together(self) -> Sequence[Sequence[str]]:
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
            DataError: neither one style nor one for each item.
        """
        net = self._net(self.generators, domain, "target")
        if not self.in_style(domain):
            if style is not None:
                raise UnsupportedError(f"{domain!r} was trained without styles; leave style out")
            made: Signal = net(code)
            return made
        if style is None:
            style = self._known().of(code.tokens.new_zeros(len(code), self.latent))
        elif len(style) not in (1, len(code)):
            raise DataError(
                f"{len(style)} styles for {len(code)} items; give one for all, or one for each"
            )
        elif len(style) == 1 < len(code):
            style = Code(style.tokens.expand(len(code), -1, -1))
        made = net(code, style)
        return made

    def style(self, reference: Signal, domain: str) -> Code:
        """The style ``[b 1 z]`` of references: of the mean of their embeddings."""
        return self._known().of(self._reference(domain)(reference)[0])

    def style_sample(self, n: int) -> Code:
        """n styles of r ~ N(0, I), drawn by torch's generator of the CPU.

        Raises:
            UnsupportedError: no domain is made in a style.
        """
        return self._known().sample(n)

    def style_mix(self, weights: Tensor) -> Code:
        """Styles of weights over the universal tokens ``[b k]``, the same for every head.

        Raises:
            UnsupportedError: no domain is made in a style, or there are no tokens.
            DataError: not one weight for each token.
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
        learns: list[nn.Module] = [self.prenets, self.generators]
        before = []
        if self.styles is not None:
            learns.append(self.styles.universal)
            if self.listening:
                styled = {t: self.owner[t] for _, t in self.plan if self.in_style(t)}
                before.append(self.styles.stage(styled, self.listening, 2 * self.batch))
            else:
                learns.append(self.styles.references)
        adam = Adam(self.rate, (self.beta1, 0.999), 0.0, self.schedule, self.warmup)
        phases = [
            Phase("translator", learns, self.translator_loss, optimizer=adam, clip=self.clip,
                  ema=self.ema),
        ]  # fmt: skip
        if self.branches is not None:
            lazy = Lazy("r1", self.critic_penalty) if self.r1 else None
            critic = Adam(self.critic_rate, (self.beta1, 0.999))
            game = Phase("critics", [self.branches], self.critic_loss, lazy, optimizer=critic)
            phases.insert(0, game)
        draws = [self._draw(task) for task in self.plan]
        return [*before, Stage("translation", self.steps, phases, draws, shared=self.translated)]

    def _draw(self, task: Task) -> Draw:
        """Records of a task; where a label lends the style, as many of each, so none is alone."""
        alike = self.reference == "label" and self.in_style(task.target)
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
            other = of_same_label(batch.labels[target]).to(mean.device)
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
        if one.mean is not None and one.std is not None and not self.listening:
            terms["kl"] = self.kl * gaussian_kl(one.mean, one.std).mean()
        if one.sampled is None or one.r is None:
            return terms
        if self.latent_regression:
            reader = self._reference(target)
            missed = (held_still(reader, one.sampled)[0] - one.r).abs().mean()
            terms["latent"] = self.latent_regression * missed
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
