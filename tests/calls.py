"""The command line as tests call it, and plugins and saved translators to call it with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from transmodal.core.bridge import Bridge
from transmodal.core.modality import Modality
from transmodal.core.translator import Translator
from transmodal.registry import Registry, hookimpl
from transmodal.registry.commands.cli import cli

from toys import Dots


def run(registry: Registry, *arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments], obj=registry)


def done(registry: Registry, *arguments: object) -> str:
    """What is said by a command that must succeed."""
    result = run(registry, *arguments)
    assert result.exit_code == 0, result.output
    assert "Traceback" not in result.output
    return result.output


def refused(registry: Registry, *arguments: object) -> str:
    """What is said, on one line, by a command that must end with an error of usage."""
    result = run(registry, *arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output.replace("\n", " ")


class Plugin:
    """A plugin of these modalities and bridges."""

    def __init__(
        self, modalities: Mapping[str, Any] | None = None, bridges: Mapping[str, Any] | None = None
    ) -> None:
        self.modalities, self.bridges = modalities or {}, bridges or {}

    @hookimpl
    def register_modalities(self) -> Mapping[str, Any]:
        return self.modalities

    @hookimpl
    def register_bridges(self) -> Mapping[str, Any]:
        return self.bridges


def save(
    folder: Path, bridge: Bridge, domains: Mapping[str, Modality] | None = None, seed: int = 0
) -> Path:
    """A connected translator with random weights; of ``a`` and ``b``, both Dots, by default."""
    translator = Translator(domains or {"a": Dots(), "b": Dots()}, bridge)
    translator.connect(("0", "1"), seed=seed)
    return translator.save(folder)
