"""The command line as tests call it."""

from __future__ import annotations

from click.testing import CliRunner, Result

from transmodal.registry import Registry
from transmodal.registry.commands.cli import cli


def run(registry: Registry, *arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments], obj=registry)


def refused(registry: Registry, *arguments: object) -> str:
    """What is said, on one line, by a command that must end with an error of usage."""
    result = run(registry, *arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output.replace("\n", " ")
