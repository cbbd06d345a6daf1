"""The hooks a plugin may implement. All are collected; none builds anything.

Each returns a mapping from names to classes, or to strings ``"package.module:Class"``
that are imported when the name is asked for. Strings keep ``transmodal list`` quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from ..core.bridge import Bridge
    from ..core.modality import Modality

GROUP = "transmodal"  # the entry point group, and the marker's name

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_modalities() -> Mapping[str, type[Modality] | str]:
    """Kinds of data, by name."""


@hookspec
def register_bridges() -> Mapping[str, type[Bridge] | str]:
    """Strategies that join domains, by name."""


@hookspec
def register_commands() -> Mapping[str, click.Command | str]:
    """Commands of ``transmodal``, by name."""
