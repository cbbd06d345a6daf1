"""What universal attention minimises beside the adversarial game, each as a function."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..code import Code
from ..modality import Modality
from ..sequences.guided import guided
from ..sequences.taught import Taught
from ..signal import Signal


def per_value(modality: Modality, made: Signal, real: Signal) -> Tensor:
    """The modality's reconstruction in nats per number of an item, a scalar.

    So that one weight serves pictures, sounds and texts: the mean over items of nats over
    numbers (``Modality.counted``; of discrete units, the units). For a Laplace likelihood of
    scale 0.1 it is ten times the mean absolute error, BicycleGAN's weight.
    """
    return (modality.reconstruction(made, real).float() / modality.counted(real)).mean()


def apart(one: Signal, other: Signal) -> Tensor:
    """``[b]``: mean absolute difference of a number, item by item; the shorter is padded by 0.

    The mean is over numbers that are real in either, so that an item's company does not matter.
    """
    a, b = _dense(one), _dense(other)
    if a.shape[1] != b.shape[1] and one.lengths is not None:
        longest = max(a.shape[1], b.shape[1])
        a, b = (F.pad(x, (0, 0) * (x.ndim - 2) + (0, longest - x.shape[1])) for x in (a, b))
    gaps = (a - b).abs().flatten(1)
    if one.lengths is None or other.lengths is None:
        return gaps.mean(1)
    steps = torch.maximum(one.lengths, other.lengths).clamp(min=1)
    return gaps.sum(1) / (steps * (gaps.shape[1] // a.shape[1]))


def _dense(signal: Signal) -> Tensor:
    """Values, 0 at padding."""
    values = signal.values.float()
    if signal.lengths is None:
        return values
    mask = signal.mask().view(*values.shape[:2], *(1 for _ in values.shape[2:]))
    return values * mask


def diversity_gain(
    sampled: Signal, encoded: Signal, real: Signal, z_sampled: Tensor, z_encoded: Tensor
) -> Tensor:
    """Distance regularisation: what G gains by making two styles of one source differ, a scalar.

    ``E[ min(||G(S, z_s) - G(S, z_r)||_1, m) / ||z_s - z_r||_1 ]``, norms as means over numbers,
    m the mean distance between neighbouring real items of the batch.

    Source: M3D-GAN Eq. 7, which is to be maximised (Eq. 8 adds it under a minimum). The clamp
    is of DSGAN (Yang et al. 2019), its scale that of the data (the paper has none: a ratio
    without one grows by noise). As there, the encoded branch and ``z`` are held still, or
    the encoder gains by shrinking the denominator.

    Args:
        sampled, encoded: made of the same sources.
        real: the targets.
        z_sampled, z_encoded: styles ``[b z]``.
    """
    still = Signal(encoded.values.detach(), encoded.lengths)
    span = (z_sampled - z_encoded).detach().float().abs().mean(1).clamp(min=1e-2)
    if not real.values.is_floating_point():  # made ones are log-probabilities, all below 1
        return (apart(_likely(sampled), _likely(still)) / span).mean()
    turned = torch.arange(len(real), device=real.values.device).roll(1)
    limit = apart(real, real[turned]).mean()
    return (torch.minimum(apart(sampled, still), limit) / span).mean()


def _likely(signal: Signal) -> Signal:
    return Signal(signal.values.float().exp(), signal.lengths)


def held_still(module: nn.Module, *given: Signal) -> tuple[Tensor, ...]:
    """The module's output, with gradients for what is given and none for its weights.

    Nor do its norms' running statistics take in what is given.
    """
    held = {name: p.detach() for name, p in module.named_parameters()}
    held |= {name: buffer.clone() for name, buffer in module.named_buffers()}
    out: tuple[Tensor, ...] = torch.func.functional_call(module, held, given)
    return out


def misread(reader: nn.Module, made: Signal, r: Tensor) -> Tensor:
    """How far what a reader takes for the style of what was made is from r ``[b l]``, a scalar.

    The mean absolute error of a number. The reader is held still, and so is r.

    Source: of draws of N(0, I), M3D-GAN Eq. 6, the latent regression; of a reference's r, the
    style reconstruction of StarGAN v2 (Choi et al. 2020, eq. 2, with reference images). There
    the reader learns from it.
    """
    return (held_still(reader, made)[0] - r.detach()).abs().mean()


def misaligned(made: Taught, code: Code) -> Tensor:
    """The guided attention loss of a generator's alignment to the code it read, a scalar."""
    assert made.alignment is not None
    return guided(made.alignment, made.steps, code.counts).mean()
