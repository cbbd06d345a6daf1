"""Adversarial games: objectives, penalties and readings that every bridge with critics shares.

EMA is the kernel's (``Phase.ema``), lazy terms too (``Lazy``); augmentation is the modality's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .modality import Modality
from .signal import Signal


@dataclass(frozen=True)
class Game:
    """What a critic and a generator minimise.

    Args:
        critic: from logits ``[b]`` of real and of made items to a scalar.
        maker: from logits ``[b]`` of made items to a scalar.
        middle: the logit between real and made.
    """

    critic: Callable[[Tensor, Tensor], Tensor]
    maker: Callable[[Tensor], Tensor]
    middle: float = 0.0

    def right(self, real: Tensor, made: Tensor) -> Tensor:
        """The fraction of items, real and made alike, that the critic places rightly."""
        hits = (real.detach() > self.middle).float().mean()
        return (hits + (made.detach() < self.middle).float().mean()) / 2


def real_or_made(real: Tensor, made: Tensor) -> Tensor:
    """The critic's loss: ``-log D(real) - log(1 - D(made))`` on logits, a scalar.

    Source: Goodfellow et al. 2014, Eq. 1.

    Args:
        real, made: logits ``[b]``.
    """
    return F.softplus(-real.float()).mean() + F.softplus(made.float()).mean()


def non_saturating(made: Tensor) -> Tensor:
    """The generator's loss ``-log D(made)`` on logits ``[b]``, a scalar.

    Source: Goodfellow et al. 2014, sec. 3.
    """
    return F.softplus(-made.float()).mean()


def least_squares(real: Tensor, made: Tensor) -> Tensor:
    """The critic's loss ``((D(real) - 1)^2 + D(made)^2) / 2``, a scalar.

    Source: Mao et al. 2017 (LSGAN), Eq. 9, with b = c = 1 and a = 0.
    """
    return ((real.float() - 1).square().mean() + made.float().square().mean()) / 2


def least_squares_maker(made: Tensor) -> Tensor:
    """The generator's loss ``(D(made) - 1)^2 / 2``, a scalar (Mao et al. 2017, Eq. 9)."""
    return (made.float() - 1).square().mean() / 2


def hinge(real: Tensor, made: Tensor) -> Tensor:
    """The critic's loss ``max(0, 1 - D(real)) + max(0, 1 + D(made))``, a scalar.

    Source: Miyato et al. 2018 (spectral normalisation), Eq. 16.
    """
    return F.relu(1 - real.float()).mean() + F.relu(1 + made.float()).mean()


def hinge_maker(made: Tensor) -> Tensor:
    """The generator's loss ``-D(made)``, a scalar (Miyato et al. 2018, Eq. 17)."""
    return -made.float().mean()


GAMES: Mapping[str, Game] = {
    "non-saturating": Game(real_or_made, non_saturating),
    "least-squares": Game(least_squares, least_squares_maker, middle=0.5),
    "hinge": Game(hinge, hinge_maker),
}


def gradient_penalty(logits: Tensor, inputs: Tensor) -> Tensor:
    """R1: ``E ||grad_x D(x)||^2`` on real x, a scalar, without the factor 1/2.

    Source: Mescheder et al. 2018, Eq. 9 (whose gamma/2 is left to the weight).

    Args:
        logits: ``[b]`` of inputs.
        inputs: ``[b ...]`` that require gradients.
    """
    (slope,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return slope.float().square().flatten(1).sum(1).mean()


def steep(signal: Signal) -> Signal:
    """The same signal, asking for gradients of its values, for ``gradient_penalty``."""
    return Signal(signal.values.detach().requires_grad_(), signal.lengths)


def spectral(module: nn.Module) -> nn.Module:
    """The module with every convolution and linear map divided by its spectral norm.

    Source: Miyato et al. 2018, Alg. 1, one power iteration a pass, by torch's own
    parametrisation. It changes the module in place.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.utils.parametrizations.spectral_norm(part)
    return module


def augmented(modality: Modality, signal: Signal) -> Signal:
    """The modality's augmentation, which gradients pass, as critics see items (Zhao et al. 2020).

    Real and made items both go through it, in the critic's turn and in the generator's.
    """
    return modality.augment(signal, torch.default_generator)


def diversity(made: Signal, real: Signal) -> Tensor:
    """Mean distance between made items over that between real ones, a scalar without gradients.

    About 1 where samples differ as real items do, 0 where they are all one. Neighbours in
    the batch stand for pairs of items; distance is Euclidean.
    """
    return _spread(made) / _spread(real).clamp(min=1e-6)


def _spread(signal: Signal) -> Tensor:
    flat = signal.values.detach().float().flatten(1)
    spread: Tensor = torch.linalg.vector_norm(flat - flat.roll(1, 0), dim=1).mean()
    return spread
