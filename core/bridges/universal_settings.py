"""Settings of universal attention: what can be told, what is refused, and the paper's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

from ..adversarial import GAMES
from ..bridge import Bridge
from ..config import check_choice, check_flag, check_names, check_number
from ..errors import SettingError
from ..stage import Schedule
from .universal_tasks import Task


class UniversalSettings(Bridge):
    """What ``UniversalAttention`` is told.

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
            ``"label"``, that of another item of the same label in the batch: labels are then
            styles, and r can carry no content. The batch holds two items of each or more.
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
        style_reconstruction: weight of how far what is made after a reference is read from the
            mean of the reference's r, see ``universal_losses.misread``. For references that
            have learned styles by ``listening``: those that learn with the rest would go where
            they are easily read. Tried on pictures alone; a text or a voice is made while told
            the real one's steps, which bear its style already. 0 for none, as published.
        style_reconstruction_from: the part of the training before it, in [0, 1).
        latent_regression: weight of the same error for drawn r. With this and ``distance`` at 0
            no style is drawn, and Eq. 4 is left: the paper's "cVAE-GAN", with tokens "L_GAN^VAE".
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
        SettingError: a setting out of its range, or one that another makes useless.
    """

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
        style_reconstruction: float = 0.0,
        style_reconstruction_from: float = 0.0,
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
        schedule: Schedule = "cosine",
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
                   "matching": matching, "style_reconstruction": style_reconstruction,
                   "latent_regression": latent_regression, "guide": guide, "rate": rate,
                   "critic_rate": critic_rate, "clip": 0.0 if clip is None else clip,
                   **{f"adversarial {d}".strip(): w for d, w in by_domain.items()}}  # fmt: skip
        for key, value in weights.items():
            check_number(self.name, key, value, 0)
        check_number(self.name, "guide_until", guide_until, 1e-6, 1)
        check_number(self.name, "style_reconstruction_from", style_reconstruction_from, 0, 1 - 1e-6)
        check_number(self.name, "beta1", beta1, 0, 0.999)
        check_number(self.name, "ema", 0.0 if ema is None else ema, 0, 1)
        for key, flag in {"conditional": conditional, "styled_critics": styled_critics}.items():
            check_flag(self.name, key, flag)
        check_choice(self.name, "reference", reference, ("target", "label"))
        check_choice(self.name, "game", game, tuple(GAMES))
        check_choice(self.name, "schedule", schedule, get_args(Schedule))
        if styled is not None:
            check_names(self.name, "styled", styled)
        if tasks is not None and not isinstance(tasks, Sequence):
            raise SettingError(
                f"{self.name}: tasks must be a list of pairs (source, target), not {tasks!r}"
            )
        if matching and not any(by_domain.values()):
            raise SettingError(
                f"{self.name}: matching compares what critics see, and there are none; set "
                "adversarial above 0, or matching=0"
            )
        if style_reconstruction and (not listening or (styled is not None and not styled)):
            raise SettingError(
                f"{self.name}: style_reconstruction needs references that have learned styles; set "
                "listening above 0 and let a domain be styled, or style_reconstruction=0"
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
        self.matching, self.style_reconstruction = matching, style_reconstruction
        self.style_reconstruction_from = style_reconstruction_from
        self.latent_regression, self.distance = latent_regression, distance
        self.guide, self.guide_until = guide, guide_until
        self.conditional, self.styled_critics = conditional, styled_critics
        self.game, self.r1 = game, r1
        self.steps, self.batch, self.rate, self.critic_rate = steps, batch, rate, critic_rate
        self.beta1, self.schedule, self.warmup, self.clip = beta1, schedule, warmup, clip
        self.ema = ema

    def stake(self, domain: str) -> float:
        """The weight of the adversarial game over a domain."""
        if isinstance(self.adversarial, Mapping):
            return self.adversarial.get(domain, 0.0)
        return self.adversarial
