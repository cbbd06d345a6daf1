"""Translation between modalities through one common space.

The names below load when first asked for, so that ``import transmodal`` costs nothing;
``docs`` are in the README and in each name's own docstring.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core import errors
    from .core.bridge import Bridge
    from .core.code import Code
    from .core.modality import Modality
    from .core.records import Records
    from .core.signal import Signal
    from .core.translator import Translator
    from .registry import Registry, hookimpl

__all__ = [
    "Bridge",
    "Code",
    "Modality",
    "Records",
    "Registry",
    "Signal",
    "Translator",
    "errors",
    "hookimpl",
]


def __getattr__(name: str) -> object:
    from importlib import import_module
    from importlib.metadata import version

    if name == "__version__":
        return version("transmodal")
    if name == "errors":
        return import_module(".core.errors", __name__)
    if name in __all__:
        home = ".registry" if name in ("Registry", "hookimpl") else ".core"
        return getattr(import_module(home, __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
