"""The registry: modalities, bridges and commands of whatever is installed."""

from .hookspecs import hookimpl
from .registry import Failure, Plugin, Registry

__all__ = ["Failure", "Plugin", "Registry", "hookimpl"]
