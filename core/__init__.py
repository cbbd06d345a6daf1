"""The ground floor: contracts, records, kernel, latent models, bridges, evaluation.

Names load when first asked for: ``transmodal.core.errors`` must not cost torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bridge import Bridge, Needs
    from .code import Code
    from .modality import Modality, Preview
    from .records import Records
    from .retrieval import Index
    from .signal import Signal
    from .stage import Adam, Batch, Draw, Phase, Stage
    from .table import Memory, Table
    from .translator import Translator

__all__ = [
    "Adam",
    "Batch",
    "Bridge",
    "Code",
    "Draw",
    "Index",
    "Memory",
    "Modality",
    "Needs",
    "Phase",
    "Preview",
    "Records",
    "Signal",
    "Stage",
    "Table",
    "Translator",
]

_HOMES = {
    "Adam": "stage",
    "Batch": "stage",
    "Draw": "stage",
    "Index": "retrieval",
    "Memory": "table",
    "Needs": "bridge",
    "Phase": "stage",
    "Preview": "modality",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, name.lower())}", __name__), name)


def __dir__() -> list[str]:
    return list(__all__)
