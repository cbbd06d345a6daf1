"""``transmodal``: one command line out of every plugin's commands."""

from __future__ import annotations

from traceback import extract_tb
from typing import Any

import click

from ...core.errors import TransmodalError
from ..registry import Registry

WHOLE = 200  # letters of a first sentence, which no command's is longer than

pass_registry = click.make_pass_decorator(Registry)


class Refused(click.ClickException):
    """A transmodal error, shown as one message."""

    exit_code = 2


class Commands(click.Group):
    """A group whose commands are those of a registry, loaded when first needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        return _registry(ctx).names("command")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command of that name.

        Raises:
            UnknownNameError: with suggestions.
            PluginError: its plugin cannot be loaded.
        """
        return _registry(ctx).command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands; one that cannot be loaded is said to be so."""
        rows = []
        for name in self.list_commands(ctx):
            try:
                rows.append((name, self.get_command(ctx, name).get_short_help_str(WHOLE)))
            except TransmodalError:
                rows.append((name, "cannot be loaded; call it to see why"))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; errors become one message, those raised on purpose with exit status 2."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            if isinstance(error, TransmodalError):
                raise Refused(str(error)) from error
            if isinstance(error, OSError) and error.filename is not None:  # most likely the user's
                told = f"{error.filename}: {error.strerror} (--debug shows where)"
                raise Refused(told) from error
            at = extract_tb(error.__traceback__)[-1]
            raise click.ClickException(
                f"unexpected {type(error).__name__}: {error} ({at.filename}, line {at.lineno}); "
                "this is a fault of a plugin or of transmodal, which --debug shows in full"
            ) from error


def _registry(ctx: click.Context) -> Registry:
    if ctx.obj is None:
        ctx.obj = Registry.load()
    registry: Registry = ctx.obj
    return registry


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="transmodal")
def cli(debug: bool) -> None:
    """Translate between kinds of data through one common space."""
