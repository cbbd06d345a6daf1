"""The demo's figures over seeds: ``python -m transmodal.cookbook.demo.measure --record``."""

from __future__ import annotations

from pathlib import Path

import click

from transmodal.cookbook.benchmarks.command import given, to_record
from transmodal.cookbook.command import RecipeCommand
from transmodal.cookbook.demo.folder import figures_in
from transmodal.cookbook.demo.run import run
from transmodal.core.evaluation.results import record
from transmodal.registry import Registry

RESULTS = Path(__file__).parent.parent / "papers" / "latent_transfer" / "results.json"
KEYS = ("digits->spoken", "spoken->digits")


@click.command(cls=RecipeCommand)
@click.option("--seeds", type=int, multiple=True, default=(0, 1, 2), show_default=True)
@click.option(
    "--out",
    "place",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-seeds"),
    show_default=True,
    help="Keeps a demo for each seed and precision; those that are finished are not run again.",
)
@click.option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), default="auto")
@click.option("--quick", is_flag=True, help="A few steps, to see that it runs.")
@to_record
def main(seeds: tuple[int, ...], place: Path, precision: str, quick: bool, recorded: bool) -> None:
    """Run the demo with several seeds; each has splits and voices of its own."""
    registry = Registry.load()
    found = {}
    for seed in seeds:
        out = place / (f"seed-{seed}" if precision == "auto" else f"seed-{seed}-{precision}")
        figures = figures_in(out, {"seed": seed, "quick": quick})
        found[seed] = figures or run(registry, out, seed=seed, precision=precision, quick=quick)
    click.echo(table(found))
    if recorded:
        results = place / RESULTS.name if quick else RESULTS  # few steps are no figures
        command = "python -m transmodal.cookbook.demo.measure --record"
        command += given("seeds", "precision", "quick")
        for key in KEYS:
            values = {seed: figures["accuracy"][key] for seed, figures in found.items()}
            n = sum(figures["n"][key] for figures in found.values())
            chance = next(iter(found.values()))["chance"]
            record(results, f"demo/{key}", values, n=n, chance=chance, command=command)


def table(found: dict[int, dict[str, dict[str, float]]]) -> str:
    """A line for each figure, a column for each seed."""
    keys = [*KEYS, "digits->spoken heard"]
    lines = ["seed" + " " * 26 + "".join(f"{seed:>9}" for seed in found)]
    for key in keys:
        cells = "".join(f"{figures['accuracy'][key]:9.3f}" for figures in found.values())
        lines.append(f"{key:<30}{cells}")
        lines.append("  n" + " " * 27 + "".join(f"{f['n'][key]:>9}" for f in found.values()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
