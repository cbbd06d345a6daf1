"""Variety within a class: how far samples are from one another, against real items."""

from __future__ import annotations

import torch
from torch import Tensor

from transmodal.core.evaluation.judge import Judge
from transmodal.core.signal import Signal
from transmodal.core.table import Memory

MOST = 200  # items of a class that are compared, each with each


def variety(made: Signal, judge: Judge, real: Memory) -> float | None:
    """Mean distance of samples of one predicted class, over that of real items of the class.

    About 1 where samples differ as much as real items do, 0 where each class has one prototype,
    which neither the synchronous rate nor the entropy of classes shows. Distances are Euclidean
    in the signal's values; the mean is over the classes that have two samples or more.

    Args:
        made: samples.
        judge: names their classes.
        real: labelled items.

    Returns:
        None where no class has two samples.
    """
    read = judge.predict(made)
    ratios = []
    for label in read.unique().tolist():
        one = apart(made.values[read == label])
        other = apart(real.signal.values[real.labels == label])
        if one is not None and other is not None:
            ratios.append(one / other)
    return sum(ratios) / len(ratios) if ratios else None


def apart(values: Tensor) -> float | None:
    """Mean distance of each item ``[m ...]`` to each other one; None of fewer than two."""
    flat = values[:MOST].flatten(1).float()
    return float(torch.pdist(flat).mean()) if len(flat) > 1 else None
