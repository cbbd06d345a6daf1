"""The registry: modalities, bridges and commands of whatever is installed."""

from .entries import Entry, Failure, Plugin
from .hookspecs import hookimpl
from .registry import Registry

__all__ = ["Entry", "Failure", "Plugin", "Registry", "hookimpl"]
