"""Settings of the common space: what can be told, what is refused, and the paper's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from ..adversarial import GAMES
from ..bridge import Bridge, Needs
from ..config import check_choice, check_flag, check_number
from ..stage import Schedule

PAIRS = 'Of records that hold one domain each, match="classes" learns by their labels.'
CLASSES = 'match="classes" learns which items belong together from labels.'


class CommonSettings(Bridge):
    """What ``CommonSpace`` is told.

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
        schedule: Schedule = "cosine",
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
        for key, flag in {"shared": shared, "generators": generators}.items():
            check_flag(self.name, key, flag)
        check_choice(self.name, "mismatch", mismatch, ("anchor", "literal"))
        check_choice(self.name, "match", match, ("pairs", "classes"))
        check_choice(self.name, "retrieve", retrieve, ("common", "semantic"))
        check_choice(self.name, "game", game, tuple(GAMES))
        check_choice(self.name, "schedule", schedule, get_args(Schedule))
        self.hidden, self.common, self.dropout, self.shared = hidden, common, dropout, shared
        self.semantic, self.agreement, self.reconstruction = semantic, agreement, reconstruction
        self.inter, self.intra, self.critic = inter, intra, critic
        self.mismatch, self.game, self.match, self.retrieve = mismatch, game, match, retrieve
        self.turns, self.pretrain_steps, self.steps = turns, pretrain_steps, steps
        self.batch, self.beta1, self.schedule = batch, beta1, schedule
        self.rate, self.critic_rate, self.generators = rate, critic_rate, generators
        self.representation, self.ends_steps = representation, ends_steps
        paired = match == "pairs"
        self.needs = Needs(not paired, paired, PAIRS if paired else CLASSES)
