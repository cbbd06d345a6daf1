"""Measure: a translator's card from held-out records and judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import DataError
from ..kernel.progress import show
from ..signal import Signal
from ..stage import UNLABELLED
from ..table import Column, Memory, Table
from .card import Card, versions
from .comparison import Comparer, Direction
from .judge import Judge, train_judges
from .transfer import Evaluation, evaluate_transfer

if TYPE_CHECKING:
    from ..translator import Translator


def measure(
    translator: Translator,
    table: Table,
    *,
    train: Table | None = None,
    judges: Mapping[str, Judge] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Card:
    """The card of a translator, measured on held-out items in all directions of its bridge.

    Where items have labels, judges read what is made of them; where records hold source and
    target, it is compared with the real target. Where there are no such records, all domains
    need labels.

    Args:
        translator: trained.
        table: test items.
        train: real training items, for the judges.
        judges: a classifier per domain, trained on real training items; trained here when not
            given.
        seed: of the judges, and of the records that chance compares with.
        progress: show how far the training of the judges is.

    Raises:
        DataError: neither labels nor pairs, a domain without labelled items or a judge where
            there are no pairs, nothing to train judges on, streamed items.
    """
    columns = {domain: _in_memory(table, domain) for domain in translator.domains}

    def translate(signal: Signal, *, source: str, target: str) -> Signal:
        return translator.translate_signal(signal, source, target)

    directions = [(source, target) for source, target in translator.bridge.directions()]
    compare = Comparer(translate, translator.domains, columns, directions, seed)
    ends = {domain for way in directions for domain in way}
    labelled = bool(translator.classes) and any(_has_labels(columns[d]) for d in ends)
    if not labelled and not compare.pairs:
        raise DataError(_nothing(translator, directions))
    read = directions if labelled else []
    if read and judges is None and train is None:
        raise DataError(
            "evaluate needs labelled real data to train its judges on: pass train=records "
            "(the training part), or judges={domain: Judge}"
        )
    if compare.pairs:  # then what lacks labels is left to comparison, and is else refused
        read = [way for way in read if all(_readable(d, columns, judges, train) for d in way)]
    names = [domain for domain in translator.domains if any(domain in way for way in read)]
    if judges is None and train is not None and names:
        wanted = {d: translator.domains[d] for d in names}
        judges = train_judges(wanted, train, seed=seed, show=show if progress else iter)
    evaluation = Evaluation((), translator.classes, {}, ())
    if names:
        evaluation = evaluate_transfer(
            compare,
            {domain: columns[domain].signal for domain in names},
            {domain: columns[domain].labels for domain in names},
            judges or {},
            translator.classes,
            pairs=read,
        )
    unread = [d for d in translator.domains if labelled and d in ends and d not in names]
    evaluation = replace(
        evaluation,
        domains=tuple(domain for domain in translator.domains if domain in ends),
        comparisons=compare.comparisons(),
    )
    return _card(translator, columns, evaluation, unread)


def _readable(
    domain: str,
    columns: Mapping[str, Memory],
    judges: Mapping[str, Judge] | None,
    train: Table | None,
) -> bool:
    """Whether there are labels for a judge of the domain to be trained and measured by."""
    if judges is not None:
        return domain in judges and _has_labels(columns[domain])
    return train is not None and all(map(_has_labels, (columns[domain], train.column(domain))))


def _has_labels(column: Column) -> bool:
    return bool((column.labels != UNLABELLED).any())


def _nothing(translator: Translator, directions: Iterable[Direction]) -> str:
    ways = ", ".join(f"{source} -> {target}" for source, target in directions if source != target)
    pairs = f"no record holds both ends of a translation ({ways}) into a modality with metrics"
    if not translator.classes:
        return (
            "this translator knows no classes, so transfer accuracy has no meaning, and "
            f"{pairs}, to compare what is made with; give records with pairs, or evaluate one "
            "that was fitted on labelled records"
        )
    return (
        f"no test item has a label for judges to go by, and {pairs}, to compare what is made "
        "with; label test items, or give records with pairs"
    )


def _card(
    translator: Translator,
    columns: Mapping[str, Memory],
    found: Evaluation,
    unread: Sequence[str],
) -> Card:
    limits = ["Items unlike the training data are read as the nearest thing it knows."]
    if unread:
        limits.append(f"No judge reads {', '.join(unread)}: labels for one are missing.")
    if found.transfers:
        limits.append(
            "Accuracies are those of automatic judges, whose own accuracy is given beside them."
        )
    if found.comparisons:
        limits.append("Metrics compare with one real item, where others may be as right.")
    counted = translator.training.get("items", {})
    labelled = translator.training.get("labelled", {})
    return Card(
        title=" <-> ".join(translator.domains),
        domains={
            domain: {
                "modality": modality.name,
                "settings": modality.settings(),
                "units": modality.units,
                "train": counted.get(domain, 0),
                "labelled": labelled.get(domain, 0),
                "test": int((columns[domain].labels != UNLABELLED).sum()) or len(columns[domain]),
            }
            for domain, modality in translator.domains.items()
        },
        bridge={"name": translator.bridge.name, "settings": translator.bridge.settings()},
        classes=list(translator.classes),
        training={**translator.training, "versions": versions()},
        results=found.as_dict(),
        intended="Translating items of one of its domains into another, for data like the "
        "training data.",
        limits=limits,
    )


def _in_memory(table: Table, domain: str) -> Memory:
    column = table.column(domain)
    if not isinstance(column, Memory):
        raise DataError(f"evaluation reads {domain!r} in memory; pass Records, or stream=False")
    return column
