"""Fréchet distance between two sets of features (classifier-FID)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import DataError


def frechet_distance(made: Tensor, real: Tensor) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two sets of features.

    Over the features of a domain's judge this is the "classifier-FID" of the latent-transfer
    paper's Table 5. Its values depend on the judge and on the number of samples (fewer
    samples, larger distance), so compare only those of one judge at like sizes, and never
    with the Inception-FID of the literature.

    Args:
        made: ``[n d]`` features, n > d.
        real: ``[m d]`` features, m > d.

    Raises:
        DataError: the sets are not ``[n d]`` and ``[m d]``, hold non-finite values, or have
            too few samples for a covariance of full rank.

    Source: Heusel et al. 2017, "GANs trained by a two time-scale update rule", eq. 6.
    """
    if made.ndim != 2 or real.ndim != 2 or made.shape[1] != real.shape[1]:
        raise DataError(
            f"the Fréchet distance is between features [n d] and [m d], "
            f"not {list(made.shape)} and {list(real.shape)}"
        )
    return gaussian_frechet(*_moments(made, "made"), *_moments(real, "real"))


def frechet_or_none(made: Tensor, real: Tensor) -> float | None:
    """The Fréchet distance, None where either set is too small for it."""
    if min(len(made), len(real)) <= real.shape[1]:
        return None
    return frechet_distance(made, real)


def frechet_floor(real: Tensor) -> float | None:
    """The Fréchet distance of two random halves of one set, None where they are too small."""
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    half = len(real) // 2
    return frechet_or_none(real[order[:half]], real[order[half:]])


def gaussian_frechet(mean_x: Tensor, cov_x: Tensor, mean_y: Tensor, cov_y: Tensor) -> float:
    r"""Squared Fréchet (2-Wasserstein) distance of two Gaussians, in float64.

    .. math:: |m_x - m_y|^2 + \mathrm{tr}(C_x + C_y - 2 (C_x^{1/2} C_y C_x^{1/2})^{1/2})

    The product is symmetric, so ``eigh`` gives its root; round-off below 0 is cut.

    Args:
        mean_x, mean_y: ``[d]``.
        cov_x, cov_y: ``[d d]``, symmetric and positive semi-definite.
    """
    mean_x, cov_x, mean_y, cov_y = (t.double().cpu() for t in (mean_x, cov_x, mean_y, cov_y))
    values, vectors = torch.linalg.eigh(cov_x)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    product = root @ cov_y @ root
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    shift = (mean_x - mean_y).square().sum()
    return max(0.0, float(shift + cov_x.trace() + cov_y.trace() - 2 * cross))


def _moments(features: Tensor, which: str) -> tuple[Tensor, Tensor]:
    n, d = features.shape
    if n <= d:
        raise DataError(
            f"{n} {which} samples are too few for the covariance of {d} features; "
            f"give {d + 1} or more, or judge with a narrower network"
        )
    x = features.detach().double().cpu()
    if not bool(x.isfinite().all()):
        raise DataError(f"the {which} features hold non-finite values; check the signals judged")
    mean = x.mean(0)
    centred = x - mean
    return mean, centred.T @ centred / (n - 1)
