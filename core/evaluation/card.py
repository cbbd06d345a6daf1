"""Card: what a translator is, how it was trained, and how well it does."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..atomic import write_together
from ..errors import DataError
from .card_page import page

JSON = "card.json"
PAGE = "README.md"


@dataclass(frozen=True)
class Card:
    """A model card: facts ready for JSON, and a page made of them.

    It names no path or host, only versions; the same card writes the same bytes.

    Args:
        title: one line.
        domains: name -> {"modality", "settings", "units"} and, where known, the counts
            "train", "test" and "labelled" (training items with a label).
        classes: names of the classes, empty where there are none.
        bridge: {"name", "settings"}.
        training: any of "steps" (stage -> steps), "seconds", "seed", "precision", "device",
            "begun_from" (SHA-256 of the weights trained on), "versions" (see ``versions``).
        results: ``Evaluation.as_dict()``, empty before evaluation.
        intended: what it is for.
        limits: what it is not for, or cannot do; one sentence each.
        pictures: file beside the card -> what it shows (its alternative text).

    Raises:
        DataError: a field holds what JSON cannot: a path, a tensor, NaN.
    """

    title: str
    domains: dict[str, dict[str, Any]]
    bridge: dict[str, Any]
    classes: list[str] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    intended: str = ""
    limits: list[str] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            try:
                plain = json.loads(json.dumps(value, allow_nan=False))
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"the card's {part.name} cannot be written as JSON: {error}; "
                    "give text, finite numbers, lists and dicts"
                ) from error
            object.__setattr__(self, part.name, plain)

    def files(self) -> dict[str, str]:
        """Name -> text of card.json and README.md."""
        plain = asdict(self)
        return {JSON: json.dumps(plain, indent=2) + "\n", PAGE: page(plain)}

    def write(self, folder: str | Path) -> None:
        """Write card.json and README.md into a folder.

        Raises:
            MediaError: a file cannot be written.
        """
        write_together({Path(folder, name): text for name, text in self.files().items()})

    @classmethod
    def read(cls, folder: str | Path) -> Card:
        """The card written into a folder.

        Raises:
            DataError: card.json is missing, damaged, or has other fields.
        """
        file = Path(folder, JSON)
        try:
            return cls(**json.loads(file.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"no card can be read from {file}: {error}; evaluate again to write one"
            ) from error


def versions() -> dict[str, str]:
    """Versions of Python, torch and transmodal, for a card's training."""
    found = {"python": platform.python_version()}
    for name in ("torch", "transmodal"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found
