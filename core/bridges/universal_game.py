"""The adversarial game of universal attention: a critic of each branch of each target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from ..adversarial import GAMES, gradient_penalty, steep
from ..code import Code
from ..signal import Signal
from ..subnets import mean_token
from .universal_tasks import Made, Translated


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
        conditional: whether critics see the source.
    """

    def __init__(
        self,
        targets: Mapping[str, str],
        styled: Iterable[str],
        make: Callable[[str], nn.Module],
        game: str,
        weights: Mapping[str, float],
        conditional: bool,
    ) -> None:
        super().__init__()
        self.targets, self.weights = dict(targets), dict(weights)
        self.game, self.conditional = GAMES[game], conditional
        both = {targets[t] for t in styled}
        self.encoded = nn.ModuleDict(
            {owner: make(owner) for owner in dict.fromkeys(targets.values())}
        )
        self.sampled = nn.ModuleDict(
            {owner: make(owner) for owner in self.encoded if owner in both}
        )

    def judged(self, target: str, one: Translated) -> list[tuple[str, nn.Module, Signal]]:
        """Name, critic and made signal of each branch; none for a target without critics."""
        if target not in self.targets:
            return []
        owner = self.targets[target]
        found = [("", self.encoded[owner], one.encoded)]
        if one.sampled is not None:
            found.append(("/sampled", self.sampled[owner], one.sampled))
        return found

    def fooling(self, target: str, one: Translated) -> Tensor:
        """The translator's side for one task, weighted, a scalar."""
        given = self._condition(one)
        losses = [self.game.maker(net(fake, *given)) for _, net, fake in self.judged(target, one)]
        return self.weights[target] * torch.stack(losses).sum()

    def telling(self, made: Made) -> dict[str, Tensor]:
        """The critics' side, and how often each is right."""
        losses, notes = [], {}
        for task, one in made.items():
            given = self._condition(one)
            for branch, net, fake in self.judged(task.target, one):
                truth = net(one.real, *given)
                seen = net(Signal(fake.values.detach(), fake.lengths), *given)
                losses.append(self.game.critic(truth, seen))
                notes[f"right/{task}{branch}"] = self.game.right(truth, seen)
        return {"adversarial": torch.stack(losses).sum(), **notes}

    def penalty(self, made: Made) -> Tensor:
        """R1 of the critics on real items, a scalar; discrete units have no gradient."""
        slopes = [next(self.parameters()).new_zeros(())]
        for task, one in made.items():
            if not one.real.values.is_floating_point():
                continue
            for _, net, _ in self.judged(task.target, one):
                leaf = steep(one.real)
                logits = net(leaf, *self._condition(one))
                slopes.append(gradient_penalty(logits, leaf.values))
        return torch.stack([slope.float() for slope in slopes]).sum()

    def _condition(self, one: Translated) -> tuple[Code, ...]:
        return (Code.of(mean_token(one.code).detach()),) if self.conditional else ()
