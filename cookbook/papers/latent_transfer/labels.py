"""How many labels of MNIST an experiment may know, and which (Table 3)."""

from __future__ import annotations

import torch

from transmodal.cookbook.papers.latent_transfer.sets import CLASSES
from transmodal.core.errors import DataError
from transmodal.core.seeds import derived_seed
from transmodal.core.stage import UNLABELLED

LABELS = (0, 10, 100, 1000, 10_000, 60_000)
SHARED_OUT = 54_200  # at most: two domains, as many of each class, of the rarest there are 5,421


def can_be_met(count: float) -> bool:
    """Whether ``experiments.with_labels`` can give out so many labels, neither more nor fewer."""
    return count in (10, LABELS[-1]) or (count % (2 * len(CLASSES)) == 0 and count <= SHARED_OUT)


def few(labels: torch.Tensor, count: int, seed: int, half: int | None) -> torch.Tensor:
    """Labels of which ``count`` remain, the same number for each class.

    Args:
        labels: ``[m]``, all known.
        count: how many remain, a multiple of the number of classes.
        seed: which ones.
        half: 0 or 1 for the first or the second, disjoint, draw; None for the whole draw.

    Raises:
        DataError: a class has not as many items as that takes.
    """
    kept = torch.full_like(labels, UNLABELLED)
    per = count // len(CLASSES)
    for label in range(len(CLASSES)):
        where = (labels == label).nonzero()[:, 0]
        wanted = per if half is None else 2 * per
        if len(where) < wanted:
            raise DataError(
                f"so many labels take {wanted} items of each class, and there are {len(where)} of "
                f"{CLASSES[label]!r}; ask for fewer"
            )
        generator = torch.Generator().manual_seed(derived_seed("few", seed, label))
        order = where[torch.randperm(len(where), generator=generator)]
        chosen = order[:per] if half is None else order[half * per : (half + 1) * per]
        kept[chosen] = label
    return kept
