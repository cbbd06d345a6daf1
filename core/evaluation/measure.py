"""Measure: a translator's card from held-out records and judges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import DataError
from ..signal import Signal
from ..stage import UNLABELLED
from ..table import Memory, Table
from .card import Card, versions
from .judge import Judge
from .transfer import evaluate_transfer

if TYPE_CHECKING:
    from ..translator import Translator


def measure(translator: Translator, table: Table, judges: Mapping[str, Judge]) -> Card:
    """The card of a translator, measured on held-out labelled items.

    Args:
        translator: trained.
        table: test items with labels.
        judges: a classifier per domain, trained on real training items.

    Raises:
        DataError: a domain without labelled items or a judge, streamed items.
    """
    columns = {domain: _in_memory(table, domain) for domain in translator.domains}

    def translate(signal: Signal, *, source: str, target: str) -> Signal:
        return translator.translate_signal(signal, source, target)

    evaluation = evaluate_transfer(
        translate,
        {domain: column.signal for domain, column in columns.items()},
        {domain: column.labels for domain, column in columns.items()},
        judges,
        translator.classes,
    )
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
                "test": int((columns[domain].labels != UNLABELLED).sum()),
            }
            for domain, modality in translator.domains.items()
        },
        bridge={"name": translator.bridge.name, "settings": translator.bridge.settings()},
        classes=list(translator.classes),
        training={**translator.training, "versions": versions()},
        results=evaluation.as_dict(),
        intended="Translating items of one of its domains into another, for data like the "
        "training data.",
        limits=[
            "Items unlike the training data are read as the nearest thing it knows.",
            "Accuracies are those of automatic judges, whose own accuracy is given beside them.",
        ],
    )


def _in_memory(table: Table, domain: str) -> Memory:
    column = table.column(domain)
    if not isinstance(column, Memory):
        raise DataError(f"evaluation reads {domain!r} in memory; pass Records, or stream=False")
    return column
