"""What the kernel costs over a bare hand-written loop of the same step.

    python -m transmodal.cookbook.benchmarks.kernel_overhead [--rounds 41] [--case NAME]
        [--json FILE] [--record]

The step is the bridging VAE's in small: latent vectors of two domains in one batch through an
MLP encoder and decoder, reconstruction and KL, fused Adam. The bare loop indexes tensors
directly, has no check for non-finite gradients, and clips by ``clip_grad_norm_`` where the
phase clips. Short rounds of both alternate; medians of paired differences and their quartiles.
Time is the processor's, on one thread, so that a busy machine disturbs it less.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from transmodal.cookbook.benchmarks.command import given, in_rounds, of_cases, to_json, to_record
from transmodal.cookbook.benchmarks.turns import in_turns
from transmodal.cookbook.command import RecipeCommand
from transmodal.core.evaluation.results import record
from transmodal.core.kernel import Kernel, Progress, Training
from transmodal.core.kernel.precision import autocast
from transmodal.core.signal import Signal
from transmodal.core.stage import Batch, Draw, Phase, Stage
from transmodal.core.table import Memory, Table

RESULTS = Path(__file__).parent.parent / "papers" / "latent_transfer" / "results.json"
ITEMS, LATENT, SHARED = 4096, 100, 16
CASES = {  # name: hidden width, layers, batch, precision, clip, steps a round
    "step of 0.5 ms": (96, 2, 32, "fp32", None, 100),
    "fp32": (512, 4, 128, "fp32", None, 4),
    "fp32, clip": (512, 4, 128, "fp32", 1.0, 4),
    "bf16": (512, 4, 128, "bf16", None, 6),
    "bf16, clip": (512, 4, 128, "bf16", 1.0, 6),
}


class Net(nn.Module):
    """An MLP autoencoder with a Gaussian code."""

    def __init__(self, hidden: int, layers: int) -> None:
        super().__init__()
        self.encoder = mlp(LATENT, hidden, 2 * SHARED, layers)
        self.decoder = mlp(SHARED, hidden, LATENT, layers)

    def terms(self, z: Tensor) -> dict[str, Tensor]:
        mean, spread = self.encoder(z).float().chunk(2, 1)
        code = mean + torch.randn_like(mean) * (0.5 * spread).exp()
        made = self.decoder(code)
        kl = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(1).mean()
        return {"reconstruction": (made.float() - z).square().mean(), "kl": 0.005 * kl}


def mlp(wide: int, hidden: int, out: int, layers: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    widths = [wide, *[hidden] * layers]
    inner = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*inner, nn.Linear(hidden, out))


def bare(
    net: Net, data: list[Tensor], batch: int, precision: str, clip: float | None, steps: int
) -> Iterator[None]:
    """The loop one would write by hand; yields after every so many steps."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    context = autocast(precision, torch.device("cpu"))
    total = torch.zeros(())
    count = 0
    while True:
        orders = [torch.randperm(len(values)) for values in data]
        for start in range(0, ITEMS - batch + 1, batch):
            parts = [
                values.index_select(0, order[start : start + batch])
                for values, order in zip(data, orders, strict=True)
            ]
            optimizer.zero_grad(set_to_none=True)
            with context:
                terms = net.terms(torch.cat(parts))
            loss = terms["reconstruction"] + terms["kl"]
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            total += loss.detach()
            count += 1
            if count % steps == 0:
                total.item()
                yield


def ours(
    net: Net, data: list[Tensor], batch: int, precision: Any, clip: float | None, steps: int
) -> Iterator[None]:
    """The same under the kernel; yields after every so many steps."""
    labels = torch.zeros(ITEMS, dtype=torch.long)
    table = Table({name: Memory(Signal(z), labels) for name, z in zip("ab", data, strict=True)})

    def objective(batches: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        signals = batches["z"].signals
        return net.terms(torch.cat([signals["a"].values, signals["b"].values]))

    phase = Phase("bridge", [net], objective, clip=clip)
    stage = Stage("bridge", 10**9, [phase], [Draw("z", ("a", "b"), batch)])
    settings = Training(precision=precision, device="cpu", log_every=steps)
    for event in Kernel(net, [stage], table, settings).run():
        if isinstance(event, Progress):
            yield


def measure(case: str, rounds: int) -> dict[str, Any]:
    """Time both loops of a case, in turns."""
    hidden, layers, batch, precision, clip, steps = CASES[case]
    torch.manual_seed(0)
    data = [torch.randn(ITEMS, LATENT) for _ in range(2)]
    makers: list[Callable[..., Iterator[None]]] = [bare, ours]
    runs = [make(Net(hidden, layers), data, batch, precision, clip, steps) for make in makers]
    for run in runs:
        next(run)
    times = in_turns([partial(next, run) for run in runs], rounds)
    pairs = [(a / steps, b / steps) for a, b in zip(*times, strict=True)]
    low, ratio, high = statistics.quantiles([b / a for a, b in pairs], n=4)
    least, extra, most = statistics.quantiles([(b - a) * 1e6 for a, b in pairs], n=4)
    return {
        "case": case,
        "bare_ms": statistics.median(a for a, _ in pairs) * 1e3,
        "ratio": ratio,
        "ratio_iqr": [low, high],
        "extra_us": extra,
        "extra_us_iqr": [least, most],
        "rounds": rounds,
    }


@click.command(cls=RecipeCommand, help=__doc__)
@in_rounds(41, least=2)
@of_cases(CASES)
@to_json
@to_record
def main(rounds: int, cases: tuple[str, ...], out: Path | None, recorded: bool) -> None:
    """Run the command line; its help is this module's docstring."""
    torch.set_num_threads(1)
    results = []
    for case in cases:
        found = measure(case, rounds)
        results.append(found)
        if recorded:
            name = "kernel_overhead" if case == "bf16" else f"kernel_overhead/{case}"
            command = "python -m transmodal.cookbook.benchmarks.kernel_overhead --record"
            command += given("rounds")
            record(RESULTS, name, {0: found["ratio"]}, n=rounds, command=command)
            name = f"kernel_overhead/{case}, us a step"
            record(RESULTS, name, {0: found["extra_us"]}, n=rounds, command=command)
        low, high = found["ratio_iqr"]
        click.echo(
            f"{case:15} bare {found['bare_ms']:7.3f} ms  kernel x {found['ratio']:.3f} "
            f"[{low:.3f}, {high:.3f}]  {found['extra_us']:+.1f} us/step "
            f"[{found['extra_us_iqr'][0]:+.1f}, {found['extra_us_iqr'][1]:+.1f}]"
        )
    if out is not None:
        out.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
