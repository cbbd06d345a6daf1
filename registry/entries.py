"""What a registry holds: plugins, what they registered, and what failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pluggy

from ..core.errors import PluginError
from . import hookspecs
from .hookspecs import GROUP

KINDS = {
    "modality": "register_modalities",
    "bridge": "register_bridges",
    "command": "register_commands",
}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Plugin:
    """Where something comes from: an entry point of an installed distribution."""

    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} {self.version}".rstrip()


@dataclass(frozen=True)
class Failure:
    """A plugin that could not be used, and why."""

    plugin: Plugin
    cause: str

    def __str__(self) -> str:
        return f"{self.plugin}: {self.cause}"


@dataclass(frozen=True)
class Entry:
    """A name a plugin registered, and the class (or where to import it from)."""

    kind: str
    name: str
    plugin: Plugin
    target: Any

    @property
    def full_name(self) -> str:
        """``distribution/name``, which chooses where plain names clash."""
        return f"{self.plugin.distribution}/{self.name}"

    def resolve(self) -> Any:
        """The class or command itself, imported now if it was given as a string.

        Raises:
            PluginError: the import fails; names the plugin, its distribution and the cause.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, path = self.target.partition(":")
        try:
            found: Any = import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{self.kind} {self.name!r} ({self.plugin}) cannot be loaded from "
                f"{self.target}: {reason(error)}"
            ) from error
        return found


def reason(error: BaseException) -> str:
    """An exception in one line, with advice where a library is not installed."""
    text = " ".join(str(error).split())
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    root = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    if root and "." not in root:  # with a dot, the distribution is there and incomplete
        line += f"; install the distribution that provides {root!r}"
    return line


def collect(module: object, plugin: Plugin) -> Iterator[Entry]:
    """What one plugin registers, each plugin under a manager of its own.

    Alone in its manager, a plugin that raises or does not fit the specifications takes
    nobody's answers with it.

    Raises:
        PluginError: an unknown hook, no hook at all, or an answer of the wrong form.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(module, plugin.name)
    manager.check_pending()
    if not manager.get_hookcallers(module):
        raise PluginError(
            f"it implements no hook; mark one of {', '.join(KINDS.values())} with "
            "@transmodal.registry.hookimpl"
        )
    for kind, hook in KINDS.items():
        for answer in getattr(manager.hook, hook)():
            if not isinstance(answer, Mapping):
                raise PluginError(
                    f"{hook} must return a mapping from names to classes, "
                    f"not {type(answer).__name__}"
                )
            for name, target in answer.items():
                _check(kind, hook, name, target)
                yield Entry(kind, name, plugin, target)


def _check(kind: str, hook: str, name: object, target: object) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PluginError(
            f"{hook} gives the name {name!r}; names are lower-case letters, digits and "
            "single hyphens, beginning with a letter"
        )
    if isinstance(target, str):
        if not TARGET.fullmatch(target):
            raise PluginError(f"{hook} gives {target!r} for {name!r}; write 'package.module:Class'")
    elif kind != "command" and not isinstance(target, type):
        raise PluginError(
            f"{hook} gives {target!r} for {name!r}; give the class itself, not an instance, "
            "or 'package.module:Class'"
        )
