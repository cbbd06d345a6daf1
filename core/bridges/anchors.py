"""Anchors: what each concept of a synchronizer's z is to mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..draws import paired
from ..errors import DataError, TrainingError
from ..kernel.distributed import from_first
from ..signal import Signal
from ..stage import Draw
from ..table import Table

ENOUGH = 3000  # tuples to look for clusters in
Read = Callable[[Mapping[str, Signal]], Sequence[Tensor]]  # tuples -> each domain's features


class Anchors(nn.Module):
    """Clusters of real tuples in a synchronizer's features, one for each concept.

    A generator that may choose what a concept means can make one kind of thing of two, and
    leave another out. So k-means of the features of real tuples, all domains' side by side,
    says it. Ours.

    Args:
        domains: their names.
        concepts: number of clusters.
        width: of a domain's features.
    """

    centres: Tensor

    def __init__(self, domains: Sequence[str], concepts: int, width: int) -> None:
        super().__init__()
        self.domains = tuple(domains)
        self.register_buffer("centres", torch.zeros(len(self.domains), concepts, width))

    def tuples(self, table: Table) -> dict[str, Tensor]:
        """Where the records that hold all domains stand in each domain's column, ``[n]``.

        Raises:
            DataError: there are fewer than concepts.
        """
        draw = Draw("pairs", self.domains, 2, "paired")
        found = paired(draw, {d: table.column(d) for d in self.domains})
        places = {d: pool for d, [pool] in found.items()}
        self._require(len(places[self.domains[0]]))
        return places

    def settle(self, table: Table, read: Read, generator: torch.Generator, batch: int) -> None:
        """Find the clusters.

        Args:
            table: of records.
            read: a finished synchronizer's features of tuples, ``[b width]`` of each domain.
            generator: says which tuples are looked at, and where the clusters' search begins.
            batch: tuples read at once.

        Raises:
            DataError: fewer different tuples than concepts.
            TrainingError: features that are not finite.
        """
        places = self.tuples(table)
        n = len(places[self.domains[0]])
        parts = []
        for some in torch.randperm(n, generator=generator)[:ENOUGH].split(batch):
            taken = {d: table.column(d).take(places[d][some]) for d in self.domains}
            parts.append(read({d: x.to(self.centres.device) for d, x in taken.items()}))
        features = [torch.cat(list(part)).float() for part in zip(*parts, strict=True)]
        # of unit length: how sure a synchronizer is of an item is no kind of its own
        together = torch.cat([F.normalize(f, dim=1) for f in features], 1).cpu()
        if not together.isfinite().all():
            raise TrainingError(
                "the synchronizer's features are not finite, so no concept can get its meaning "
                "from them; lower sync_rate, or look at the records"
            )
        seed = int(torch.randint(2**31, (), generator=generator))
        kinds = clusters(together, self.centres.shape[1], seed).to(self.centres.device)
        self._require(len(kinds.unique()))
        means = [torch.stack([f[kinds == k].mean(0) for k in kinds.unique()]) for f in features]
        self.centres.copy_(from_first(torch.stack(means)))

    def _require(self, n: int) -> None:
        concepts = self.centres.shape[1]
        if n < concepts:
            raise DataError(
                f"{concepts} concepts want as many different records that hold all of "
                f"{', '.join(self.domains)}, and there are {n}; add pairs, choose fewer concepts, "
                "or set anchoring to 0"
            )

    def miss(self, features: Sequence[Tensor], kinds: Tensor) -> Tensor:
        """Cross-entropy of made items' concepts, read by their synchrony with the clusters.

        Args:
            features: of made items ``[b width]``, of each domain.
            kinds: their concepts ``[b]``.
        """
        pairs = zip(self.domains, features, strict=True)
        losses = [F.cross_entropy(self.logits(d, own), kinds) for d, own in pairs]
        return torch.stack(losses).mean()

    def logits(self, domain: str, own: Tensor) -> Tensor:
        """How well a domain's items agree with each concept: ``[b width]`` to ``[b c]``."""
        d = self.domains.index(domain)
        others = torch.cat([self.centres[:d], self.centres[d + 1 :]]).mean(0)
        return own @ others.T / math.sqrt(own.shape[1])


def clusters(points: Tensor, count: int, seed: int) -> Tensor:
    """The cluster ``[n]`` of each point ``[n d]``, by k-means on one thread: always the same."""
    import warnings

    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer different points than clusters: callers count
        kinds = KMeans(count, n_init=10, random_state=seed).fit_predict(points.numpy())
    return torch.from_numpy(kinds).long()
