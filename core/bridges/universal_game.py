"""The adversarial game of universal attention: a critic of each branch of each target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..adversarial import GAMES, gradient_penalty, steep
from ..code import Code
from ..errors import SettingError
from ..layers import layers_of
from ..signal import Signal
from ..subnets import mean_token
from .universal_tasks import Made, Translated


class Judged(NamedTuple):
    """A branch: its name, its critic, what was made, and what the critic is told."""

    name: str
    critic: nn.Module
    made: Signal
    given: tuple[Code, ...]


class Branches(nn.Module):
    """Critics of what is made in a reference's style, and others of what is made in a drawn one.

    Source: M3D-GAN Eqs. 1, 4 and 6; two critics as in BicycleGAN (Zhu et al. 2017, sec. 5). The
    source is a critic's condition (Eq. 1) as the mean of its code, held still.

    Args:
        targets: target -> the domain whose critics judge it (domains may share them).
        styled: those made in a style.
        make: a critic for a domain, which sees the style or not.
        game: a name of ``adversarial.GAMES``.
        weights: of the game by target.
        conditional: whether critics see the source.
        styled_critics: whether those of the encoded branch see its style, held still. No real
            item goes with a drawn style: the others would know what is made by its style.
        matching_weight: of ``matching``; 0 for none.

    Raises:
        SettingError: features are to be matched of critics that do not say their layers.
    """

    def __init__(
        self,
        targets: Mapping[str, str],
        styled: Iterable[str],
        make: Callable[[str, bool], nn.Module],
        game: str,
        weights: Mapping[str, float],
        conditional: bool,
        styled_critics: bool,
        matching_weight: float,
    ) -> None:
        super().__init__()
        self.targets, self.weights = dict(targets), dict(weights)
        self.game = GAMES[game]
        self.conditional, self.styled_critics = conditional, styled_critics
        self.matching_weight = matching_weight
        both = {targets[t] for t in styled}
        self.encoded = nn.ModuleDict(
            {owner: make(owner, styled_critics) for owner in dict.fromkeys(targets.values())}
        )
        self.sampled = nn.ModuleDict(
            {owner: make(owner, False) for owner in self.encoded if owner in both}
        )
        for critic in self.encoded.values() if matching_weight else ():
            if len(layers_of(critic)) < 2:
                raise SettingError(
                    f"universal-attention: matching compares what the layers of critics see, and "
                    f"{type(critic).__name__} has no `layers`; set matching=0"
                )

    def judged(self, target: str, one: Translated) -> list[Judged]:
        """The branches; none for a target without critics."""
        if target not in self.targets:
            return []
        owner = self.targets[target]
        source = [mean_token(one.code).detach()] if self.conditional else []
        style = [z.detach() for z in one.styles[:1]] if self.styled_critics else []
        found = [Judged("", self.encoded[owner], one.encoded, _told(source + style))]
        if one.sampled is not None:
            found.append(Judged("/sampled", self.sampled[owner], one.sampled, _told(source)))
        return found

    def fooling(self, target: str, one: Translated) -> dict[str, Tensor]:
        """The translator's side for one task, weighted; no terms for a target without critics."""
        branches = self.judged(target, one)
        if not branches:
            return {}
        losses = [self.game.maker(it.critic(it.made, *it.given)) for it in branches]
        terms = {"adversarial": self.weights[target] * torch.stack(losses).sum()}
        if self.matching_weight:
            terms["matching"] = self.matching_weight * self.matching(target, one)
        return terms

    def matching(self, target: str, one: Translated) -> Tensor:
        """How far the encoded branch is from the real items to its critic's eye, a scalar.

        The mean over the critic's layers, but for its logits, of the mean absolute difference of
        what they make of both; the critic is held still.

        Source: feature matching of pix2pixHD (Wang et al. 2018, eq. 4); before it the VAE-GAN
        (Larsen et al. 2016, eq. 8), from one layer.
        """
        missed = []
        seen: Signal | Tensor = one.encoded
        wanted: Signal | Tensor = one.real
        for layer in layers_of(self.encoded[self.targets[target]])[:-1]:
            seen = layer(seen)
            with torch.no_grad():
                wanted = layer(wanted)
            assert isinstance(seen, Tensor) and isinstance(wanted, Tensor)
            missed.append((seen - wanted).float().abs().mean())
        return torch.stack(missed).mean()

    def telling(self, made: Made) -> dict[str, Tensor]:
        """The critics' side, and how often each is right."""
        losses, notes = [], {}
        for task, one in made.items():
            for it in self.judged(task.target, one):
                truth = it.critic(one.real, *it.given)
                seen = it.critic(Signal(it.made.values.detach(), it.made.lengths), *it.given)
                losses.append(self.game.critic(truth, seen))
                notes[f"right/{task}{it.name}"] = self.game.right(truth, seen)
        return {"adversarial": torch.stack(losses).sum(), **notes}

    def penalty(self, made: Made) -> Tensor:
        """R1 of the critics on real items, a scalar; discrete units have no gradient."""
        slopes = [next(self.parameters()).new_zeros(())]
        for task, one in made.items():
            if not one.real.values.is_floating_point():
                continue
            for it in self.judged(task.target, one):
                leaf = steep(one.real)
                slopes.append(gradient_penalty(it.critic(leaf, *it.given), leaf.values))
        return torch.stack([slope.float() for slope in slopes]).sum()


def _told(parts: list[Tensor]) -> tuple[Code, ...]:
    return (Code.of(torch.cat(parts, 1)),) if parts else ()
