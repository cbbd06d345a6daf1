"""``python -m transmodal``: the command line."""

from __future__ import annotations


def main() -> None:
    """Run the command line on the process's arguments."""
    from transmodal.registry.commands.cli import cli

    cli(prog_name="transmodal")


if __name__ == "__main__":
    main()
