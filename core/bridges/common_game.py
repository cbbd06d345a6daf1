"""The critics of the common space, between and within domains, and the objectives of the game.

Shapes: b batch, r width of a domain's representation h, k width of the common representation s.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..adversarial import Game
from ..critics import Logit

Vectors = dict[str, Tensor]  # of domains


def mean(terms: Iterable[Tensor]) -> Tensor:
    """The mean of scalars."""
    return torch.stack(list(terms)).mean()


def disagreement(logits: Vectors) -> Tensor:
    """Mean divergence ``KL(p_e | p_d)`` in nats of classes read in matched items, d != e.

    Args:
        logits: domain -> ``[b classes]``, float32; item i of every domain belongs together.
    """
    told = {d: x.log_softmax(1) for d, x in logits.items()}
    return mean(
        F.kl_div(told[d], told[e], reduction="batchmean", log_target=True)
        for d in told
        for e in told
        if e != d
    )


class InterCritic(nn.Module):
    """A domain's inter-modality critic: (s, h) -> logits ``[b]``.

    Is s the domain's own common representation of h? Source: CM-GANs sec. III-E3. Its
    BatchNorm is a LayerNorm here: BatchNorm would tell real from made by their batches.

    Args:
        common, width: of s and of h.
        hidden: of its one hidden layer.
    """

    def __init__(self, common: int, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(common + width, hidden), nn.LayerNorm(hidden), nn.ReLU(), Logit(hidden)
        )

    def forward(self, s: Tensor, h: Tensor) -> Tensor:
        logits: Tensor = self.net(torch.cat([s, h], 1))
        return logits


def strangers(labels: Tensor) -> Tensor:
    """For every item of a batch, another one of a different class, drawn at random: ``[b]``.

    Where no item is of a different class (or none has a label), any other item.

    Args:
        labels: ``[b]`` class indices, negative where unknown; b >= 2.
    """
    alike = (labels[:, None] == labels) & (labels[:, None] >= 0)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    score = torch.rand(len(labels), len(labels), device=labels.device)
    return (score - 2.0 * alike - 4.0 * itself).argmax(1)


def told_apart(
    critics: nn.ModuleDict, game: Game, s: Vectors, h: Vectors, labels: Vectors, anchored: bool
) -> tuple[Tensor, Tensor]:
    """The inter-modality critics' loss, and the margin of matched over mismatched, in logits.

    ``mean over d of [ J(D_d(s_d, h_d), D_d(s_e, h_d)) + J(D_d(s_d, h_d), D_d(s^_d, h_d)) ] / 2``
    with J the game's loss on real and made: reals weigh 1 and either kind of fake 1/2 (CM-GANs
    Eqs. 7, 8). The margin is ``mean D_d(s_d, h_d) - D_d(s^_d, h_d)``, s^ of another class.

    Args:
        critics: domain -> ``InterCritic``.
        game: its losses.
        s, h, labels: by domain, ``[b k]``, ``[b r]``, ``[b]``.
        anchored: condition the stranger s^ by the anchor's h; else by its own, as printed.
    """
    losses, margins = [], []
    for d, critic in critics.items():
        other = strangers(labels[d])
        real, wrong = critic(s[d], h[d]), critic(s[d][other], h[d])
        margins.append((real - wrong).detach().mean())
        if not anchored:
            wrong = critic(s[d][other], h[d][other])
        crossed = mean(game.critic(real, critic(s[e], h[d])) for e in s if e != d)
        losses.append((crossed + game.critic(real, wrong)) / 2)
    return mean(losses), mean(margins)


def passed_off(critics: nn.ModuleDict, game: Game, s: Vectors, h: Vectors) -> Tensor:
    """The generators' loss: other domains' s_e are to pass for s_d beside h_d (Eqs. 9, 10)."""
    return mean(
        game.maker(critic(s[e], h[d])) for d, critic in critics.items() for e in s if e != d
    )


def told_from_made(critics: nn.ModuleDict, game: Game, h: Vectors, r: Vectors) -> Tensor:
    """The intra-modality critics' loss: given h from reconstructed r (Eqs. 5, 6)."""
    return mean(game.critic(critic(h[d]), critic(r[d])) for d, critic in critics.items())


def passed_as_given(critics: nn.ModuleDict, game: Game, r: Vectors) -> Tensor:
    """The generators' loss: reconstructed r are to pass for given ones (Eqs. 9, 10)."""
    return mean(game.maker(critic(r[d])) for d, critic in critics.items())
