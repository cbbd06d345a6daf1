"""Settings of coupled GANs: what can be told, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from ..adversarial import GAMES
from ..bridge import Bridge
from ..config import check_choice, check_flag, check_number
from ..errors import SettingError
from ..latents.prior import Prior
from ..latents.searches import search_named
from ..stage import Schedule


class CoupledSettings(Bridge):
    """What ``CoupledGANs`` is told; a bridge of its kind says which values are the default.

    Args:
        latent: width of z ~ N(0, I).
        concepts: how many concepts a draw chooses among, each equally often; its one-hot
            code is put beside z. 0 for none, which is what the papers have.
        game: ``"non-saturating"``, ``"least-squares"`` or ``"hinge"``.
        r1: weight of the gradient penalty on real items (times 1/2), 0 for none.
        r1_every: turns from one penalty to the next.
        spectral_norm: divide the critics' weights by their spectral norms (theirs alone: a
            synchronizer never learns from what is made).
        augment: let the critics see real and made items augmented.
        steps, batch: of the game; batch counts items of each domain.
        rate, critic_rate: of Adam, for the generators and the critics.
        schedule: of these rates, see ``Adam``.
        warmup: steps in which they rise; a generator's first steps, all alike for all z, can
            be its last.
        beta1, beta2: of Adam.
        weight_decay: decoupled, of generators and critics.
        ema: decay of the running average of the generators, which replaces them.
        truncation: standard deviation of the normal part of z in ``sample``, after training;
            below 1 samples are more typical and less varied (Karras et al. 2019, App. B).
        inverse_steps: of the learned inverses, 0 for none.
        inversion: the search for z: its name and settings, see ``latents.searches``.
        reach: largest squared error of an inversion, in parts of the variance of the domain's
            items, before ``encode`` gives up. Their mean picture is 1 away from an item on
            average, another item 2: what is found is then no more like the query than any.

    Raises:
        SettingError: a setting out of its range.
    """

    def __init__(
        self,
        *,
        latent: int,
        concepts: int,
        game: str,
        r1: float,
        r1_every: int,
        spectral_norm: bool,
        augment: bool,
        steps: int,
        batch: int,
        rate: float,
        critic_rate: float,
        schedule: Schedule,
        warmup: int,
        beta1: float,
        beta2: float,
        weight_decay: float,
        ema: float | None,
        truncation: float,
        inverse_steps: int,
        inversion: Mapping[str, Any] | None,
        reach: float,
    ) -> None:
        super().__init__()
        whole = {"latent": latent, "r1_every": r1_every, "steps": steps}
        for key, count in whole.items():
            check_number(self.name, key, count, 1, integer=True)
        check_number(self.name, "batch", batch, 2, integer=True)
        counts = {"concepts": concepts, "inverse_steps": inverse_steps, "warmup": warmup}
        for key, count in counts.items():
            check_number(self.name, key, count, 0, integer=True)
        real = {"truncation": truncation, "r1": r1, "rate": rate, "critic_rate": critic_rate,
                "reach": reach, "weight_decay": weight_decay}  # fmt: skip
        for key, value in real.items():
            check_number(self.name, key, value, 0)
        check_number(self.name, "beta1", beta1, 0, 0.999)
        check_number(self.name, "beta2", beta2, 0, 0.9999)
        check_number(self.name, "ema", 0.0 if ema is None else ema, 0, 1)
        for key, flag in {"spectral_norm": spectral_norm, "augment": augment}.items():
            check_flag(self.name, key, flag)
        check_choice(self.name, "game", game, tuple(GAMES))
        check_choice(self.name, "schedule", schedule, get_args(Schedule))
        self.latent, self.concepts, self.game = latent, concepts, game
        self.r1, self.r1_every = r1, r1_every
        self.spectral_norm, self.augment = spectral_norm, augment
        self.steps, self.batch = steps, batch
        self.rate, self.critic_rate = rate, critic_rate
        self.schedule, self.warmup = schedule, warmup
        self.beta1, self.beta2, self.weight_decay, self.ema = beta1, beta2, weight_decay, ema
        self.truncation = truncation
        self.inverse_steps, self.inversion, self.reach = inverse_steps, inversion, reach
        self.space = Prior(latent, concepts)
        chosen = {"name": "adam"} if inversion is None else inversion
        if not isinstance(chosen, Mapping) or "name" not in chosen:
            raise SettingError(
                f"{self.name}: inversion is the name of a search and its settings, such as "
                f"{{'name': 'adam', 'restarts': 4}}, not {inversion!r}"
            )
        self.search = search_named(**chosen)
