"""``transmodal list``: what is installed, and what failed to load."""

from __future__ import annotations

import click

from ..registry import PLURALS, Registry
from .cli import pass_registry


@click.command("list")
@pass_registry
def listing(registry: Registry) -> None:
    """Show modalities, bridges, commands, and plugins that failed."""
    for kind, plural in PLURALS.items():
        click.echo(f"{plural}:")
        entries = registry.entries(kind)
        names = [entry.name for entry in entries]
        for entry in entries:
            clash = names.count(entry.name) > 1
            name = entry.full_name if clash else entry.name
            source = f"{entry.plugin.distribution} {entry.plugin.version}".rstrip()
            click.echo(f"  {name:<24} {source}{'  (name clash)' if clash else ''}")
        if not entries:
            click.echo("  none")
    if registry.failures:
        click.echo("failed to load:")
        for failure in registry.failures:
            click.echo(f"  {failure}")
