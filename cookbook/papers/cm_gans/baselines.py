"""The methods CM-GANs is compared with, on the same features: what they share, and the linear ones.

A method learns from features of two domains whose rows belong together, and gives an embedding
of each domain, to be compared by the cosine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Embed = Callable[[Tensor], Tensor]  # features [m v] -> vectors [m d]


@dataclass(frozen=True)
class Training:
    """What a method learns from.

    Args:
        features: domain -> ``[n v]``, standardised; row i of both belongs together.
        labels: ``[n]`` class indices.
        classes: how many.
    """

    features: Mapping[str, Tensor]
    labels: Tensor
    classes: int


@dataclass(frozen=True)
class Learned:
    """What a method has learned.

    Args:
        common: domain -> embedding, the method's own.
        semantic: domain -> probabilities of classes, where it has a classifier.
    """

    common: Mapping[str, Embed]
    semantic: Mapping[str, Embed] = field(default_factory=dict)


def cca(train: Training, seed: int, *, size: int = 9) -> Learned:
    """Canonical correlation analysis (Hotelling 1936), by scikit-learn.

    Args:
        train: of two domains.
        seed: not used.
        size: of the common space.
    """
    first, second = train.features
    model = canonical(train.features[first], train.features[second], size)
    return Learned({first: lambda x: model(x, 0), second: lambda x: model(x, 1)})


def kernel_cca(
    train: Training, seed: int, *, size: int = 9, landmarks: int = 500, kept: int = 60
) -> Learned:
    """Kernel CCA with a Gaussian kernel (Hardoon et al. 2004), by scikit-learn.

    The kernel's features are approximated from landmarks (Nystroem), their first principal
    components kept: that is what regularises it.

    Args:
        train: of two domains.
        seed: of the landmarks.
        size: of the common space.
        landmarks: training items the kernel is computed with, all where there are fewer.
        kept: principal components.
    """
    from sklearn.decomposition import PCA
    from sklearn.kernel_approximation import Nystroem
    from sklearn.pipeline import make_pipeline

    made: dict[str, Any] = {}
    for domain, x in train.features.items():
        # the median of squared distances as the kernel's width
        some = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:500]]
        far = float(torch.pdist(some).square().median())
        nystroem = Nystroem(gamma=1 / far, n_components=min(landmarks, len(x)), random_state=seed)
        made[domain] = make_pipeline(nystroem, PCA(kept, random_state=seed)).fit(x.numpy())

    def lifted(domain: str, x: Tensor) -> Tensor:
        return torch.from_numpy(made[domain].transform(x.numpy())).float()

    first, second = train.features
    model = canonical(
        lifted(first, train.features[first]), lifted(second, train.features[second]), size
    )
    return Learned(
        {
            first: lambda x: model(lifted(first, x), 0),
            second: lambda x: model(lifted(second, x), 1),
        }
    )


def canonical(a: Tensor, b: Tensor, size: int) -> Callable[[Tensor, int], Tensor]:
    """The canonical directions of two sets, as a map of features and which of the two they are."""
    from sklearn.cross_decomposition import CCA

    size = min(size, a.shape[1], b.shape[1])
    model = CCA(size, max_iter=1000).fit(a.double().numpy(), b.double().numpy())
    turns = [torch.from_numpy(w).float() for w in (model.x_rotations_, model.y_rotations_)]
    means = [a.mean(0), b.mean(0)]
    scales = [((x - m) @ w).std(0) for x, m, w in zip((a, b), means, turns, strict=True)]
    return lambda x, which: (x - means[which]) @ turns[which] / scales[which]
