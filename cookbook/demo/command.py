"""``transmodal demo``: handwritten digits and spoken ones, each into the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from transmodal.registry import Registry
from transmodal.registry.commands.cli import pass_registry


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("transmodal-demo"),
    show_default=True,
    help="Folder for the results.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    default="auto",
    show_default=True,
    help="auto takes bf16 where it is faster here.",
)
@click.option("--quick", is_flag=True, help="A few steps, to see that all of it runs.")
@pass_registry
def demo(registry: Registry, out: Path, seed: int, precision: str, quick: bool) -> None:
    """Train a translator of handwritten and spoken digits, and show what it does.

    Pictures are real (scikit-learn's), voices are espeak's; those tested on are not those
    trained on. A demo that was ended goes on when the command is given again.
    """
    from transmodal.cookbook.demo.run import run

    figures = run(registry, out, seed=seed, precision=precision, quick=quick)
    click.echo(summary(figures, out))


def summary(figures: dict[str, Any], out: Path) -> str:
    """What came out, and what to try next, in a few lines."""

    def row(name: str, key: str) -> str:
        return f"  {name:<32}{100 * figures['accuracy'][key]:5.1f} %   of {figures['n'][key]:,}"

    judges = ", ".join(f"{name} {100 * v:.1f} %" for name, v in figures["judges"].items())
    seconds = figures["seconds"]
    times = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    return "\n".join(
        [
            "",
            "Read as the class of their source, on test pictures and test voices:",
            row("handwritten -> spoken", "digits->spoken"),
            row("  the same, heard as sound", "digits->spoken heard"),
            row("spoken -> handwritten", "spoken->digits"),
            f"  chance {100 * figures['chance']:.0f} %; the judges on real test items: {judges}",
            f"{sum(seconds.values()):.0f} s in all ({times}), {figures['precision']}",
            "",
            f"Open {out / 'report.html'}, or try",
            f"  transmodal translate {out} {out / 'inputs/seven.png'} seven.wav",
            f"  transmodal translate {out} {out / 'inputs/seven.wav'} seven.png",
            f"  transmodal sample {out} {out / 'samples'}",
        ]
    )
