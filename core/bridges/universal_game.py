"""The adversarial game of universal attention: a critic of each branch of each target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..adversarial import GAMES, gradient_penalty, steep
from ..code import Code
from ..signal import Signal
from ..subnets import mean_token
from .universal_tasks import Made, Translated


class Judged(NamedTuple):
    """A branch: its critic, what was made, and the conditions of made and of real items."""

    name: str
    critic: nn.Module
    made: Signal
    made_of: tuple[Code, ...]
    real_of: tuple[Code, ...]


class Branches(nn.Module):
    """Critics of what is made in a reference's style, and others of what is made in a drawn one.

    Source: M3D-GAN Eqs. 1, 4 and 6; two critics as in BicycleGAN (Zhu et al. 2017, sec. 5). The
    source is a critic's condition (Eq. 1) as the mean of its code, held still.

    Args:
        targets: target -> the domain whose critics judge it (domains may share them).
        styled: those made in a style.
        make: a critic for a domain.
        game: a name of ``adversarial.GAMES``.
        weights: of the game by target.
        conditional, styled_critics: whether critics see the source, and the style, held still too.
    """

    def __init__(
        self,
        targets: Mapping[str, str],
        styled: Iterable[str],
        make: Callable[[str], nn.Module],
        game: str,
        weights: Mapping[str, float],
        conditional: bool,
        styled_critics: bool,
    ) -> None:
        super().__init__()
        self.targets, self.weights = dict(targets), dict(weights)
        self.game = GAMES[game]
        self.conditional, self.styled_critics = conditional, styled_critics
        both = {targets[t] for t in styled}
        self.encoded = nn.ModuleDict(
            {owner: make(owner) for owner in dict.fromkeys(targets.values())}
        )
        self.sampled = nn.ModuleDict(
            {owner: make(owner) for owner in self.encoded if owner in both}
        )

    def judged(self, target: str, one: Translated) -> list[Judged]:
        """Each branch, but none for a target without critics.

        A real item stands in the encoded branch's style in both: its own, or one of its label.
        """
        if target not in self.targets:
            return []
        owner = self.targets[target]
        own, *drawn = one.styles or (None,)
        real = self._condition(one, own)
        found = [Judged("", self.encoded[owner], one.encoded, real, real)]
        if one.sampled is not None:
            made = self._condition(one, drawn[0])
            found.append(Judged("/sampled", self.sampled[owner], one.sampled, made, real))
        return found

    def fooling(self, target: str, one: Translated) -> Tensor:
        """The translator's side for one task, weighted, a scalar."""
        branches = self.judged(target, one)
        losses = [self.game.maker(it.critic(it.made, *it.made_of)) for it in branches]
        return self.weights[target] * torch.stack(losses).sum()

    def telling(self, made: Made) -> dict[str, Tensor]:
        """The critics' side, and how often each is right."""
        losses, notes = [], {}
        for task, one in made.items():
            for it in self.judged(task.target, one):
                truth = it.critic(one.real, *it.real_of)
                seen = it.critic(Signal(it.made.values.detach(), it.made.lengths), *it.made_of)
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
                slopes.append(gradient_penalty(it.critic(leaf, *it.real_of), leaf.values))
        return torch.stack([slope.float() for slope in slopes]).sum()

    def _condition(self, one: Translated, style: Tensor | None) -> tuple[Code, ...]:
        given = [mean_token(one.code)] if self.conditional else []
        if self.styled_critics and style is not None:
            given.append(style)
        return (Code.of(torch.cat(given, 1).detach()),) if given else ()
