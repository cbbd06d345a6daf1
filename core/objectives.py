"""Objectives that more than one system needs, each a function with its equation and source."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .stage import UNLABELLED


def gaussian_kl(mean: Tensor, std: Tensor) -> Tensor:
    """KL divergence ``[b]`` of N(mean, diag std^2) from N(0, I), in nats.

    ``sum_d (mean_d^2 + std_d^2 - 1) / 2 - log std_d``  (Kingma & Welling 2014, App. B)

    Args:
        mean, std: ``[b d]``, std > 0.

    >>> gaussian_kl(torch.zeros(2, 3), torch.ones(2, 3))
    tensor([0., 0.])
    """
    mean, std = mean.float(), std.float()
    return (0.5 * (mean.square() + std.square() - 1) - std.log()).sum(-1)


def sliced_wasserstein(a: Tensor, b: Tensor, projections: int = 128, *, p: int = 1) -> Tensor:
    """Sliced Wasserstein distance W_p^p between two sets of points, a scalar.

    ``mean over unit vectors w of  1/n sum_i |sort(a w)_i - sort(b w)_i|^p``

    Source: Latent Domain Transfer sec. 2 and App. A, after Bonneel et al. 2015. The paper
    prints the quadratic distance (p = 2); its authors' code takes p = 1, our default. The
    directions are drawn anew at every call. It is biased upwards by about n^(-1/2), so it
    wants large batches. Under autocast the projections are of its type.

    Args:
        a, b: ``[... n d]`` with the same n; leading axes (say, classes) are averaged over.
        projections: number of directions.
        p: 1 or 2.
    """
    a, b = a.float(), b.float()
    w = F.normalize(torch.randn(a.shape[-1], projections, device=a.device), dim=0)
    # Sorting along the last axis is the fast one.
    x = (a @ w).transpose(-1, -2).sort(-1).values  # [... projections n]
    y = (b @ w).transpose(-1, -2).sort(-1).values
    gap = x - y
    return (gap.abs() if p == 1 else gap.square()).mean()


def labelled_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the items that have a label; 0 where none has.

    Args:
        logits: ``[b k]``.
        labels: ``[b]`` class indices, ``UNLABELLED`` (-1) where unknown.
    """
    # A clamped count instead of a branch: no look at the device's data.
    total = F.cross_entropy(logits.float(), labels, ignore_index=UNLABELLED, reduction="sum")
    return total / (labels != UNLABELLED).sum().clamp(min=1)
