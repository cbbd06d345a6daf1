"""Anchors: what each concept of a synchronizer's z is to mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ENOUGH = 3000  # tuples to look for clusters in


class Anchors(nn.Module):
    """Clusters of real tuples in a synchronizer's features, one for each concept.

    A generator that may choose what a concept means can make one kind of thing of two, and
    leave another out: entropy .94 instead of 1, in two trainings of three. So k-means of the
    features of real tuples, all domains' side by side, says it. Ours.

    Args:
        domains: their number.
        concepts: number of clusters.
        width: of a domain's features.
    """

    centres: Tensor

    def __init__(self, domains: int, concepts: int, width: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.zeros(domains, concepts, width))

    def settle(self, features: Sequence[Tensor], generator: torch.Generator) -> None:
        """Find the clusters of tuples with these features, ``[n width]`` of each domain."""
        from sklearn.cluster import KMeans

        seed = int(torch.randint(2**31, (), generator=generator))
        # of unit length: how sure a synchronizer is of an item is no kind of its own
        together = torch.cat([F.normalize(f.float(), dim=1) for f in features], 1)
        means = KMeans(self.centres.shape[1], n_init=10, random_state=seed)
        kinds = torch.from_numpy(means.fit_predict(together.cpu().numpy()))
        for centres, own in zip(self.centres, features, strict=True):
            for k, centre in enumerate(centres):
                centre.copy_(own[(kinds == k).to(own.device)].float().mean(0))

    def miss(self, features: Sequence[Tensor], kinds: Tensor) -> Tensor:
        """Cross-entropy of made items' concepts, read by their synchrony with the clusters.

        Args:
            features: of made items ``[b width]``, of each domain.
            kinds: their concepts ``[b]``.
        """
        losses = [F.cross_entropy(self.logits(d, own), kinds) for d, own in enumerate(features)]
        return torch.stack(losses).mean()

    def logits(self, d: int, own: Tensor) -> Tensor:
        """How well items of domain ``d`` agree with each concept: ``[b width]`` to ``[b c]``."""
        others = torch.cat([self.centres[:d], self.centres[d + 1 :]]).mean(0)
        return own.float() @ others.T / math.sqrt(own.shape[1])
