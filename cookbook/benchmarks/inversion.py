"""Inversion: all queries and restarts in one batch against the published way, one by one.

    python -m transmodal.cookbook.benchmarks.inversion [--queries 32] [--rounds 3]
        [--training 1000] [--l-bfgs] [--json FILE]

A small convolutional generator (z of 64 to 28 x 28 pixels) learns scikit-learn's digits as a
VAE's decoder for half a minute; the queries are digits it has not seen. Published: plain
gradient descent of 1,500 steps from one start, a query at a time (SyncGAN Eq. 3). Fast:
``AdamSearch()`` on all queries at once. Both run once a round in alternating order on the same
generator and queries; the speed-up is the median over rounds of the ratio within a round. Time
is the processor's, on one thread, so that a busy machine disturbs it less.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from transmodal.cookbook.benchmarks.command import in_rounds, to_json
from transmodal.cookbook.benchmarks.turns import in_turns
from transmodal.cookbook.command import RecipeCommand
from transmodal.core.latents.inversion import Inversion, invert
from transmodal.core.latents.prior import Prior
from transmodal.core.latents.searches import LBFGS, AdamSearch, GradientDescent, Search
from transmodal.core.objectives import gaussian_kl
from transmodal.core.signal import Signal

WIDTH, TRAINED = 64, 1500  # of z; items to learn from, the others are queries


class Generator(nn.Sequential):
    """z ``[b 64]`` -> pixels ``[b 1 28 28]`` in [0, 1]."""

    def __init__(self) -> None:
        super().__init__(
            nn.Linear(WIDTH, 64 * 7 * 7),
            nn.ReLU(),
            nn.Unflatten(1, (64, 7, 7)),
            nn.ConvTranspose2d(64, 32, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 4, 2, 1),
            nn.Sigmoid(),
        )


def digits() -> Tensor:
    """``[1797 1 28 28]`` in [0, 1], shuffled."""
    from sklearn.datasets import load_digits

    images = torch.from_numpy(load_digits().images).float()[:, None] / 16
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return F.interpolate(images[order], size=(28, 28), mode="bilinear")


def trained(images: Tensor, steps: int) -> Generator:
    """A generator that has learned the images as a VAE's decoder."""
    torch.manual_seed(0)
    made = Generator()
    reader = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 2 * WIDTH))
    optimizer = torch.optim.Adam([*made.parameters(), *reader.parameters()], 1e-3)
    for _ in range(steps):
        real = images[torch.randint(len(images), (64,))]
        mean, spread = reader(real).chunk(2, 1)
        std = F.softplus(spread) + 1e-3
        error = (made(mean + std * torch.randn_like(std)) - real).square().sum((1, 2, 3))
        loss = error.mean() / (2 * 0.1**2) + gaussian_kl(mean, std).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return made.eval()


@click.command(cls=RecipeCommand, help=__doc__)
@click.option("--queries", type=click.IntRange(1), default=32, show_default=True, help="How many.")
@in_rounds(3)
@click.option("--training", type=click.IntRange(0), default=1000, show_default=True,
              help="Steps of the generator.")  # fmt: skip
@click.option("--l-bfgs", is_flag=True, help="Time L-BFGS one by one as well.")
@to_json
def main(queries: int, rounds: int, training: int, l_bfgs: bool, out: Path | None) -> None:
    """Run the command line; its help is this module's docstring."""
    torch.set_num_threads(1)
    images = digits()
    generator = trained(images[:TRAINED], training)
    query = Signal(images[TRAINED : TRAINED + queries])

    def decode(z: Tensor) -> Signal:
        return Signal(generator(z))

    def found_by(search: Search, queries: Signal) -> Inversion:
        starts = Prior(WIDTH).starts(search.restarts, torch.device("cpu"))
        return invert(decode, queries, starts.expand(len(queries), -1, -1), search=search)

    def one_by_one(search: Search) -> Inversion:
        found = [found_by(search, query[i : i + 1]) for i in range(len(query))]
        return Inversion(
            torch.cat([each.z for each in found]), torch.cat([each.residual for each in found])
        )

    players: dict[str, Callable[[], Inversion]] = {
        "published": lambda: one_by_one(GradientDescent()),
        "fast": lambda: found_by(AdamSearch(), query),
    }
    if l_bfgs:
        players["l-bfgs"] = lambda: one_by_one(LBFGS())
    residuals: dict[str, Tensor] = {}

    def play(name: str) -> None:
        residuals[name] = players[name]().residual

    found_by(AdamSearch(steps=1), query[:1])  # warms up
    turns = in_turns([partial(play, name) for name in players], rounds)
    times = dict(zip(players, turns, strict=True))
    ratios = [a / b for a, b in zip(times["published"], times["fast"], strict=True)]
    for name in players:
        click.echo(
            f"{name:10} {statistics.median(times[name]):8.2f} s  "
            f"residual mean {residuals[name].mean():.4f} median {residuals[name].median():.4f}"
        )
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    lower = (residuals["fast"] <= residuals["published"]).float().mean().item()
    click.echo(
        f"fast is {middle:.1f}x faster (quartiles {low:.1f} to {high:.1f}, {rounds} rounds) "
        f"at a residual no higher for {lower:.0%} of {len(query)} queries"
    )
    if out is not None:
        results = {
            "speedup": middle,
            "quartiles": [low, high],
            "rounds": rounds,
            "queries": len(query),
            "no_higher": lower,
            "seconds": {name: statistics.median(times[name]) for name in players},
            "residual": {name: residuals[name].mean().item() for name in players},
        }
        out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
