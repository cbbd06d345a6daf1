"""Transfer accuracy: does a translated item keep its class?"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from ..errors import DataError
from ..signal import Signal
from ..stage import UNLABELLED
from .frechet import frechet_floor, frechet_or_none

if TYPE_CHECKING:
    from .comparison import Comparison


class Reader(Protocol):
    """What the evaluation asks of a judge."""

    def features(self, signal: Signal) -> Tensor: ...  # [b d]

    def decide(self, features: Tensor) -> Tensor: ...  # [b] class indices


class Translate(Protocol):
    """From signals of one domain to those of another (or back to the same: reconstruction)."""

    def __call__(self, signal: Signal, *, source: str, target: str) -> Signal: ...


@dataclass(frozen=True)
class Transfer:
    """How translations from one domain to another were read by the target's judge.

    Where source and target are the same domain this is reconstruction.

    Args:
        source, target: names of the domains.
        n: labelled items translated; what ``accuracy``, its interval and the confusion count.
        accuracy: share read as the TRUE class of the source item.
        interval: Wilson 95 % interval of ``accuracy``.
        agreement: share of all items (labelled or not) read as the class that the source's
            judge PREDICTED for the source item: the paper's way of counting.
        agreement_n: items that ``agreement`` counts.
        agreement_interval: Wilson 95 % interval of ``agreement``.
        confusion: ``[classes][classes]`` counts, row = true class, column = class read.
        per_class: accuracy of each true class, None for classes without items.
        chance: 1 / classes, what uniform guesses reach.
        majority: largest share of a true class, what one constant answer reaches.
        frechet: classifier-FID between made and real items of the target, None where there
            are too few of either.
        frechet_floor: the same between two halves of the real items; None likewise. Halves
            are smaller samples, so a floor may lie above a very good ``frechet``.
    """

    source: str
    target: str
    n: int
    accuracy: float
    interval: tuple[float, float]
    agreement: float
    agreement_n: int
    agreement_interval: tuple[float, float]
    confusion: list[list[int]]
    per_class: list[float | None]
    chance: float
    majority: float
    frechet: float | None
    frechet_floor: float | None


@dataclass(frozen=True)
class Evaluation:
    """Transfer between ordered pairs of domains, all of them or those that a bridge translates.

    Args:
        domains: names, in order.
        classes: names, in order.
        judges: accuracy of each domain's judge on the real test items: it caps what an
            accuracy can show.
        transfers: one for each (source, target), reconstructions included.
        comparisons: of what was made with the real items of the same records, where there are.
    """

    domains: tuple[str, ...]
    classes: tuple[str, ...]
    judges: Mapping[str, float]
    transfers: tuple[Transfer, ...]
    comparisons: tuple[Comparison, ...] = ()

    def between(self, source: str, target: str) -> Transfer:
        """The transfer from ``source`` to ``target``.

        Raises:
            DataError: that pair was not evaluated; names those that were.
        """
        for transfer in self.transfers:
            if (transfer.source, transfer.target) == (source, target):
                return transfer
        known = ", ".join(f"{t.source} -> {t.target}" for t in self.transfers)
        raise DataError(f"no transfer {source} -> {target} was evaluated, only {known}")

    def matrix(self, field: str = "accuracy") -> list[list[float | None]]:
        """``[domains][domains]`` of a field of ``Transfer``, row = source, column = target.

        It is None where a pair was not evaluated.
        """
        found = {(t.source, t.target): getattr(t, field) for t in self.transfers}
        return [[found.get((source, target)) for target in self.domains] for source in self.domains]

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "domains": list(self.domains),
            "classes": list(self.classes),
            "judges": dict(self.judges),
            "transfers": [_plain(asdict(transfer)) for transfer in self.transfers],
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
        }


def evaluate_transfer(
    translate: Translate,
    signals: Mapping[str, Signal],
    labels: Mapping[str, Tensor],
    judges: Mapping[str, Reader],
    classes: Sequence[str],
    *,
    pairs: Collection[tuple[str, str]] | None = None,
    seen: Callable[[Signal, str], Signal] | None = None,
    batch: int = 500,
) -> Evaluation:
    """Translate domains' test items into each other and let the judges read them.

    Args:
        translate: ``translate(signal, source=..., target=...) -> Signal``.
        signals: domain -> its test items.
        labels: domain -> ``[m]`` class indices, ``UNLABELLED`` (-1) where unknown.
        judges: domain -> a classifier trained on real training items of that domain.
        classes: names of the classes.
        pairs: (source, target) to evaluate; all ordered pairs when not given, each domain to
            itself among them.
        seen: what the source's judge reads for ``agreement``, from (signal, domain); the items
            themselves when not given. The paper reads them as decoded by their own
            latent model.
        batch: items translated at once.

    Raises:
        DataError: a domain lacks labels, a judge, or any labelled item; labels do not fit.

    Source: Tian & Engel 2019, "Latent domain transfer", Tables 1, 3-5 (agreement).
    """
    for domain, signal in signals.items():
        _check(domain, signal, labels, judges, len(classes))
    features = {domain: judges[domain].features(signal) for domain, signal in signals.items()}
    floors = {domain: frechet_floor(feature) for domain, feature in features.items()}
    own: dict[str, float] = {}
    transfers = []
    for source, signal in signals.items():
        true = labels[source].cpu()
        known = true != UNLABELLED
        read = judges[source].decide(features[source])
        own[source] = float((read[known] == true[known]).double().mean())
        if seen is not None:
            shown = [seen(part, source) for part in _parts(signal, batch)]
            read = torch.cat([judges[source].decide(judges[source].features(p)) for p in shown])
        for target in signals:
            if pairs is not None and (source, target) not in pairs:
                continue
            judge = judges[target]
            made = torch.cat(
                [
                    judge.features(translate(part, source=source, target=target))
                    for part in _parts(signal, batch)
                ]
            )
            transfers.append(
                count_transfer(
                    source,
                    target,
                    true=true,
                    read=read,
                    predicted=judge.decide(made),
                    classes=len(classes),
                    frechet=frechet_or_none(made, features[target]),
                    frechet_floor=floors[target],
                )
            )
    return Evaluation(tuple(signals), tuple(classes), own, tuple(transfers))


def count_transfer(
    source: str,
    target: str,
    *,
    true: Tensor,
    read: Tensor,
    predicted: Tensor,
    classes: int,
    frechet: float | None = None,
    frechet_floor: float | None = None,
) -> Transfer:
    """The counts of one direction from its labels.

    Args:
        source, target: names of the domains.
        true: ``[m]`` true classes of the source items, ``UNLABELLED`` (-1) where unknown.
        read: ``[m]`` what the source's judge read in them.
        predicted: ``[m]`` what the target's judge read in their translations.
        classes: how many classes there are.
        frechet, frechet_floor: see ``Transfer``.
    """
    known = true != UNLABELLED
    pairs = true[known] * classes + predicted[known]
    confusion = torch.bincount(pairs, minlength=classes * classes).view(classes, classes)
    n, right = int(known.sum()), int(confusion.diagonal().sum())
    agreed, m = int((read == predicted).sum()), len(read)
    totals = confusion.sum(1).tolist()
    hits = confusion.diagonal().tolist()
    return Transfer(
        source=source,
        target=target,
        n=n,
        accuracy=right / n,
        interval=wilson(right, n),
        agreement=agreed / m,
        agreement_n=m,
        agreement_interval=wilson(agreed, m),
        confusion=confusion.tolist(),
        per_class=[h / t if t else None for h, t in zip(hits, totals, strict=True)],
        chance=1 / classes,
        majority=max(totals) / n,
        frechet=frechet,
        frechet_floor=frechet_floor,
    )


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a share; ``z`` 1.96 for 95 %.

    Raises:
        DataError: ``n`` is below 1 or ``right`` is not within 0 .. n.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if n < 1 or not 0 <= right <= n:
        raise DataError(f"an interval of {right} right out of {n} cannot be; give 0 <= right <= n")
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _check(
    domain: str,
    signal: Signal,
    labels: Mapping[str, Tensor],
    judges: Mapping[str, Reader],
    classes: int,
) -> None:
    for what, there in (("labels", labels), ("judge", judges)):
        if domain not in there:
            raise DataError(
                f"domain {domain!r} has no {what} to be evaluated by; "
                f"given for {', '.join(there) or 'none'}"
            )
    true = labels[domain]
    if true.shape != (len(signal),):
        raise DataError(
            f"domain {domain!r} has {len(signal)} items, and labels of shape {list(true.shape)}"
        )
    known = true[true != UNLABELLED]
    if not len(known):
        raise DataError(f"domain {domain!r} has no labelled test item; label some to evaluate it")
    if int(known.min()) < 0 or int(known.max()) >= classes:
        raise DataError(
            f"labels of domain {domain!r} run from {int(known.min())} to {int(known.max())}, "
            f"but there are {classes} classes"
        )


def _parts(signal: Signal, batch: int) -> list[Signal]:
    return [signal[start : start + batch] for start in range(0, len(signal), batch)]


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: list(v) if isinstance(v, tuple) else v for key, v in fields.items()}
