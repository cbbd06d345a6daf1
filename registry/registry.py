"""Registry: the modalities, bridges and commands of whatever is installed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from ..core.errors import PluginError, UnknownNameError
from .entries import Entry, Failure, Plugin, collect, reason
from .hookspecs import GROUP

if TYPE_CHECKING:
    import click

PLURALS = {"modality": "modalities", "bridge": "bridges", "command": "commands"}


class Registry:
    """Names and the classes behind them, collected from plugins.

    Args:
        plugins: modules or objects with hooks, registered under their own names.

    ``failures`` holds the plugins that could not be used; they take nothing else down.
    """

    def __init__(self, plugins: Sequence[object] = ()) -> None:
        self.plugins: list[Plugin] = []
        self.failures: list[Failure] = []
        self._entries: list[Entry] = []
        for plugin in plugins:
            self.register(plugin, getattr(plugin, "__name__", type(plugin).__name__))

    @classmethod
    def load(cls) -> Registry:
        """A registry of every installed entry point of the group ``transmodal``, one by one."""
        registry = cls()
        for entry in entry_points(group=GROUP):
            distribution = entry.dist.name if entry.dist else "an unknown distribution"
            version = entry.dist.version if entry.dist else ""
            try:
                module = entry.load()
            except (Exception, SystemExit) as error:
                plugin = Plugin(entry.name, distribution, version)
                registry.failures.append(Failure(plugin, reason(error)))
            else:
                registry.register(module, entry.name, distribution, version)
        return registry

    def register(
        self, plugin: object, name: str, distribution: str | None = None, version: str = ""
    ) -> None:
        """Add a plugin; one that cannot be used is kept in ``failures`` instead."""
        source = Plugin(name, name if distribution is None else distribution, version)
        try:
            entries = list(collect(plugin, source))
        except PluginError as error:
            self.failures.append(Failure(source, str(error)))
        except (Exception, SystemExit) as error:
            self.failures.append(Failure(source, reason(error)))
        else:
            self.plugins.append(source)
            self._entries += entries

    def entries(self, kind: str) -> list[Entry]:
        """Everything registered as a ``"modality"``, ``"bridge"`` or ``"command"``, by name."""
        return sorted((e for e in self._entries if e.kind == kind), key=lambda e: e.full_name)

    def names(self, kind: str) -> list[str]:
        """The names one may ask for: ``distribution/name`` where plain names clash."""
        entries = self.entries(kind)
        plain = [entry.name for entry in entries]
        return sorted(
            entry.name if plain.count(entry.name) == 1 else entry.full_name for entry in entries
        )

    def modality(self, name: str) -> type[Any]:
        """The modality of that name, a subclass of ``Modality`` with settings of its own.

        Raises:
            UnknownNameError: no plugin registered it.
            PluginError: names clash, its import fails, or it is no ``Modality``.
        """
        from ..core.modality import Modality

        return self._class("modality", name, Modality)

    def bridge(self, name: str) -> type[Any]:
        """The bridge of that name, a subclass of ``Bridge`` with settings of its own.

        Raises:
            UnknownNameError: no plugin registered it.
            PluginError: names clash, its import fails, or it is no ``Bridge``.
        """
        from ..core.bridge import Bridge

        return self._class("bridge", name, Bridge)

    def command(self, name: str) -> click.Command:
        """The command of that name.

        Raises:
            UnknownNameError: no plugin registered it.
            PluginError: names clash, its import fails, or it is no click command.
        """
        import click

        entry = self.find("command", name)
        found = entry.resolve()
        if not isinstance(found, click.Command):
            raise PluginError(
                f"command {name!r} ({entry.plugin}) is {found!r}; make it a click.Command"
            )
        return found

    def find(self, kind: str, name: str) -> Entry:
        """The entry behind a name, not yet imported.

        Raises:
            UnknownNameError: with near names, all names, and the plugins that failed.
            PluginError: several plugins registered the name; says how to choose.
        """
        distribution, slash, short = name.rpartition("/")
        found = [
            entry
            for entry in self.entries(kind)
            if entry.name == short and (not slash or _same(entry.plugin.distribution, distribution))
        ]
        if not found:
            raise UnknownNameError(self._unknown(kind, name))
        if len(found) > 1:
            sources = " and ".join(str(entry.plugin) for entry in found)
            full = sorted({entry.full_name for entry in found})
            choice = (
                f"choose by {' or '.join(full)}"
                if len(full) == len(found)
                else "uninstall or rename one"
            )
            raise PluginError(f"the {kind} {name!r} is registered by {sources}; {choice}")
        return found[0]

    def _class(self, kind: str, name: str, base: type[Any]) -> type[Any]:
        entry = self.find(kind, name)
        found = entry.resolve()
        if not (isinstance(found, type) and issubclass(found, base)):
            raise PluginError(
                f"{kind} {name!r} ({entry.plugin}) is {found!r}; "
                f"make it a subclass of transmodal.core.{base.__name__}"
            )
        return found

    def _unknown(self, kind: str, name: str) -> str:
        names = self.names(kind)
        near = get_close_matches(name, names, n=3)
        message = f"no {kind} {name!r}"
        if near:
            message += f"; did you mean {' or '.join(repr(close) for close in near)}?"
        else:
            message += ";"
        message += f" The {PLURALS[kind]} are: {', '.join(names) or 'none'}."
        if self.failures:
            failed = "; ".join(str(failure) for failure in self.failures)
            message += f" Plugins that failed to load, which may have it: {failed}"
        return message


def _same(one: str, other: str) -> bool:
    """Whether two distribution names are the same once normalised (PEP 503)."""
    return re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()
