"""Settings: keyword arguments checked at construction, shown by repr, saved as JSON."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from math import isfinite
from typing import Any

from .errors import SettingError


class Configurable:
    """An object whose constructor's keywords are its whole configuration.

    Each keyword of ``__init__`` is kept as the attribute of the same name, so that
    ``settings()`` is what JSON and TOML hold, ``repr`` is the call that makes the
    object again, and ``type(x)(**x.settings())`` is its twin.
    """

    def settings(self) -> dict[str, Any]:
        """The constructor's keywords and their values, ready for JSON."""
        parameters = inspect.signature(type(self).__init__).parameters
        return {key: getattr(self, key) for key in parameters if key != "self"}

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self.settings().items())
        return f"{type(self).__name__}({inside})"


def check_number(
    owner: str,
    name: str,
    value: float,
    low: float | None = None,
    high: float | None = None,
    *,
    integer: bool = False,
) -> None:
    """Refuse a setting that is no number of the wanted kind within ``[low, high]``.

    Raises:
        SettingError: naming the owner, the setting, the value and the range.
    """
    kind = "a whole number" if integer else "a number"
    allowed = int if integer else (int, float)
    between = "".join(
        [f" >= {low:g}" if low is not None else "", f" <= {high:g}" if high is not None else ""]
    )
    wrong = isinstance(value, bool) or not isinstance(value, allowed) or not isfinite(value)
    if wrong or (low is not None and value < low) or (high is not None and value > high):
        raise SettingError(f"{owner}: {name} must be {kind}{between}, not {value!r}")


def check_flag(owner: str, name: str, value: object) -> None:
    """Refuse a setting that is not True or False: any word, "no" too, would count as True.

    Raises:
        SettingError: naming the owner, the setting and the value.
    """
    if not isinstance(value, bool):
        raise SettingError(f"{owner}: {name} must be True or False, not {value!r}")


def check_names(owner: str, name: str, value: object) -> None:
    """Refuse a setting that is no list of names; a lone word would count letter by letter.

    Raises:
        SettingError: naming the owner, the setting and the value.
    """
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [None]
    if not all(isinstance(each, str) for each in listed):
        raise SettingError(f"{owner}: {name} must be a list of names, not {value!r}")


def check_choice(owner: str, name: str, value: object, choices: tuple[Any, ...]) -> None:
    """Refuse a setting that is none of the choices.

    Raises:
        SettingError: naming the owner, the setting, the value and the choices.
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise SettingError(f"{owner}: {name} must be one of {listed}, not {value!r}")


def build(cls: type[Any], settings: dict[str, Any], where: str) -> Any:
    """Construct ``cls`` from settings read from a file.

    Raises:
        SettingError: an unknown setting (named, beside those that exist), or one the
            constructor refuses.
    """
    known = [key for key in inspect.signature(cls.__init__).parameters if key != "self"]
    for key in settings:
        if key not in known:
            raise SettingError(
                f"{where}: {cls.__name__} has no setting {key!r}; it has {', '.join(known)}"
            )
    return cls(**settings)
