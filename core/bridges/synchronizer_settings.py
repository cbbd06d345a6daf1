"""Settings of the synchronizer: what can be told, what is refused, and the paper's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import check_choice, check_flag, check_number
from ..errors import SettingError
from ..stage import Schedule
from .coupled import CoupledGANs
from .fusion import FUSIONS

WIDTH = 256
# from logits [p b] of tuples and [p b m] of each one's strangers to a loss
ASYNCHRONY: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "each": lambda yes, no: F.softplus(no).mean(),
    "contrast": lambda yes, no: F.softplus(no.logsumexp(-1) - yes).mean(),
    "none": lambda yes, no: torch.zeros_like(yes).mean(),
}


class SynchronizerSettings(CoupledGANs):
    """What ``Synchronizer`` is told. ``published`` holds the authors' settings.

    Args:
        latent, concepts, game, r1, r1_every, spectral_norm, augment, steps, batch, rate,
            critic_rate, schedule, warmup, beta1, beta2, weight_decay, ema, truncation,
            inverse_steps, inversion, reach: see ``CoupledSettings``.
        fusion: ``"product"`` of features, ``"features"`` under a head of their own (Fig. 2a), or
            ``"concatenation"`` of signals of like structure (Fig. 2b); see ``fusion``.
        width: of each domain's features, where the fusion has some, as sync_dropout.
        synchrony: weight of the generators' loss by the synchronizer.
        asynchrony: how they are also to make asynchronous items of different z's (of
            different concepts, where there are some): ``"each"``, every such tuple by itself
            (the second term of Eq. 2), ``"contrast"``, all those of an item at once against
            its own (InfoNCE, van den Oord et al. 2018). ``"none"`` for the paper's ablation.
        anchoring: weight of the loss that each concept is to make what one cluster of real
            tuples is, see ``Anchors``; 0 leaves it to the game what concepts mean. Without
            concepts it says nothing.
        reaching: weight of what generators miss of real records, all of whose items they are to
            make again from the learned inverse of one of them: the squared error as a share of
            the domain's variance. Inverses then learn within the game. Real items come within
            reach of an inversion, which else finds near a query what belongs to another, for a
            game alone leaves much of the data out. 0 for the game alone, as published.
        pairs: records the synchronizer sees at every step.
        sync_steps: of a stage of its own, before the game, which it then no longer learns
            in; 0 to learn within the game, as published. It never sees what is made, so it
            can as well be finished first: generators then follow one that knows.
        sync_rate: of its Adam.
        sync_r1: weight of its gradient penalty on real pairs (times 1/2), 0 for none.
        sync_dropout: of its features, in [0, 1).
        sync_augment: whether it sees items augmented.
        choosing: how far off an inversion may be, as the root of a summed squared error, before
            that weighs as much as what the synchronizer says, when ``encode`` chooses among
            restarts (see ``scorer``); 0 to go by distance alone.

    Raises:
        SettingError: a setting out of its range, or one that another makes useless.
    """

    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "digits": {
            "latent": 64, "concepts": 0, "fusion": "features", "sync_steps": 0,
            "r1": 0.0, "sync_r1": 0.0, "sync_dropout": 0.0, "sync_augment": False,
            "augment": False, "steps": 20_000, "batch": 128, "pairs": 64, "rate": 1e-3,
            "critic_rate": 2e-4, "schedule": "constant", "sync_rate": 1e-3,
            "beta1": 0.5, "beta2": 0.999,
            "weight_decay": 0.0, "ema": None, "choosing": 0.0, "synchrony": 2.0, "inverse_steps": 0,
            "asynchrony": "each", "anchoring": 0.0,
            "inversion": {"name": "gradient-descent"},
        },
    }  # fmt: skip

    def __init__(
        self,
        *,
        latent: int = 64,
        concepts: int = 0,
        fusion: str = "product",
        width: int = WIDTH,
        synchrony: float = 4.0,
        asynchrony: str = "each",
        anchoring: float = 2.0,
        reaching: float = 0.0,
        pairs: int = 128,
        sync_steps: int = 1500,
        sync_rate: float = 7e-4,
        sync_r1: float = 0.0,
        sync_dropout: float = 0.0,
        sync_augment: bool = True,
        choosing: float = 4.0,
        game: str = "non-saturating",
        r1: float = 0.05,
        r1_every: int = 16,
        spectral_norm: bool = False,
        augment: bool = True,
        steps: int = 1500,
        batch: int = 64,
        rate: float = 1e-3,
        critic_rate: float = 4e-4,
        schedule: Schedule = "late",
        warmup: int = 0,
        beta1: float = 0.5,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        ema: float | None = 0.998,
        truncation: float = 1.0,
        inverse_steps: int = 1000,
        inversion: Mapping[str, Any] | None = None,
        reach: float = 2.0,
    ) -> None:
        super().__init__(
            latent=latent, concepts=concepts, game=game, r1=r1, r1_every=r1_every,
            spectral_norm=spectral_norm, augment=augment, steps=steps, batch=batch, rate=rate,
            critic_rate=critic_rate, schedule=schedule, warmup=warmup, beta1=beta1, beta2=beta2,
            weight_decay=weight_decay, ema=ema, truncation=truncation,
            inverse_steps=inverse_steps, inversion=inversion, reach=reach,
        )  # fmt: skip
        check_choice(self.name, "fusion", fusion, tuple(FUSIONS))
        check_choice(self.name, "asynchrony", asynchrony, tuple(ASYNCHRONY))
        check_number(self.name, "width", width, 1, integer=True)
        check_number(self.name, "pairs", pairs, 2, integer=True)
        check_number(self.name, "sync_steps", sync_steps, 0, integer=True)
        weights = {"synchrony": synchrony, "sync_rate": sync_rate, "sync_r1": sync_r1,
                   "anchoring": anchoring, "reaching": reaching, "choosing": choosing}  # fmt: skip
        for key, value in weights.items():
            check_number(self.name, key, value, 0)
        check_number(self.name, "sync_dropout", sync_dropout, 0, 0.99)
        check_flag(self.name, "sync_augment", sync_augment)
        if fusion == "concatenation" and (width != WIDTH or sync_dropout):
            raise SettingError(
                f"{self.name}: width ({width}) and sync_dropout ({sync_dropout:g}) are of a "
                "domain's features, and fusion='concatenation' has none; leave them out, or take "
                "fusion='features'"
            )
        self.fusion, self.width = fusion, width
        self.synchrony, self.asynchrony, self.pairs = synchrony, asynchrony, pairs
        if concepts and anchoring and not (fusion == "product" and sync_steps):
            raise SettingError(
                f"{self.name}: concepts get their meaning from the features of a synchronizer that "
                "is finished; take fusion='product' and sync_steps above 0, or anchoring=0"
            )
        self.sync_steps, self.anchoring, self.reaching = sync_steps, anchoring, reaching
        self.sync_rate, self.sync_r1, self.sync_dropout = sync_rate, sync_r1, sync_dropout
        self.sync_augment, self.choosing = sync_augment, choosing
