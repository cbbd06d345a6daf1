"""A two-player model small enough to train in a moment, and ways to run it that can be killed.

As a script it forks trainings and kills them: ``python kernel_toys.py FOLDER KILLS THREADS``.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from transmodal.core.kernel import Kernel, Saved, Training
from transmodal.core.signal import Signal
from transmodal.core.stage import Adam, Batch, Draw, Phase, Stage
from transmodal.core.table import Memory, Table

ITEMS, SIZE = 96, 6


def vectors() -> Tensor:
    return torch.randn(ITEMS, SIZE, generator=torch.Generator().manual_seed(5))


def table(values: Tensor | None = None) -> Table:
    values = vectors() if values is None else values
    return Table({"dots": Memory(Signal(values), torch.zeros(len(values), dtype=torch.long))})


class Toy(nn.Module):
    """A generator with BatchNorm and dropout, and a critic."""

    def __init__(self, seed: int = 0, norm: bool = True) -> None:
        super().__init__()
        torch.manual_seed(seed)
        middle = nn.BatchNorm1d(12) if norm else nn.Identity()
        drop = nn.Dropout(0.1 if norm else 0.0)
        self.make = nn.Sequential(nn.Linear(SIZE, 12), middle, nn.ReLU(), drop, nn.Linear(12, SIZE))
        self.judge = nn.Sequential(nn.Linear(SIZE, 8), nn.ReLU(), nn.Linear(8, 1))

    def rebuild(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        x = batches["x"].signals["dots"].values
        made = self.make(x + 0.1 * torch.randn_like(x))
        return {
            "rebuild": (made - x).square().mean(),
            "fool": 0.1 * F.softplus(-self.judge(made)).mean(),
        }

    def tell(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        x = batches["x"].signals["dots"].values
        made = self.make(torch.randn_like(x))
        return {"tell": F.softplus(self.judge(made)).mean() + F.softplus(-self.judge(x)).mean()}

    def plain(self, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        x = batches["x"].signals["dots"].values
        return {"plain": (self.make(x) - x).square().mean()}


def draws(size: int = 16) -> list[Draw]:
    return [Draw("x", ("dots",), size)]


def stages(model: Toy, steps: int = 40) -> list[Stage]:
    """Two stages: both players at it, then the critic alone on doubled items."""
    maker = Phase(
        "make", [model.make], model.rebuild, clip=1.0, ema=0.9,
        optimizer=Adam(lr=0.01, schedule="cosine", warmup=5),
    )  # fmt: skip
    judge = Phase("judge", [model.judge], model.tell, turns=2)
    return [
        Stage("both", steps, [maker, judge], draws()),
        Stage("judge", steps // 2, [judge], draws(), prepare=noisy(model)),
    ]


def noisy(model: Toy) -> Callable[[Table, torch.Generator], Table]:
    def prepare(given: Table, generator: torch.Generator) -> Table:
        values = given.columns["dots"].take(torch.arange(ITEMS)).values
        noise = torch.randn(values.shape, generator=generator)
        device = next(model.parameters()).device  # of the training; the given table is on the CPU
        return table(model.make((values + noise).to(device)).detach().cpu())

    return prepare


def single(model: Toy, steps: int = 12, **phase: object) -> list[Stage]:
    """One stage, one phase that learns all."""
    return [Stage("one", steps, [Phase("all", [model], model.plain, **phase)], draws())]  # type: ignore[arg-type]


def train(
    model: nn.Module, plan: Sequence[Stage], data: Table | None = None, **settings: object
) -> list[object]:
    chosen = Training(**{"device": "cpu", "log_every": 4, **settings})  # type: ignore[arg-type]
    return list(Kernel(model, plan, data or table(), chosen).run())


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def stopped(folder: Path, after: int = 7, **settings: Any) -> None:
    """A training that ends, unfinished, after so many saves."""
    model = Toy()
    chosen = Training(device="cpu", log_every=4, checkpoint=folder, save_every=0.0, **settings)
    saves = 0
    for event in Kernel(model, stages(model, 12), table(), chosen).run():
        saves += isinstance(event, Saved)
        if saves == after:
            return


def again(folder: Path, **settings: Any) -> tuple[list[Any], Toy]:
    model = Toy(seed=99)
    events = train(model, stages(model, 12), checkpoint=folder, **settings)
    return events, model


def script(name: str, *arguments: object, seconds: int) -> str:
    """What a script beside this one says."""
    command = [sys.executable, str(Path(__file__).with_name(name)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# -- as a script --------------------------------------------------------------------------


def fork(work: Callable[[], None]) -> int:
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def wait(number: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def _run_to_file(folder: Path | None, out: Path, threads: int) -> None:
    from safetensors.torch import save_file

    torch.set_num_threads(threads)
    model = Toy()
    train(model, stages(model, 60), checkpoint=folder, save_every=0.02, precision="fp16")
    save_file(weights(model), out)


def kill(folder: Path, kills: int, threads: int) -> None:
    """Kill trainings at random moments; each that ends must equal the unbroken one."""
    chance = random.Random(kills)
    torch.optim.Adam([torch.zeros(1)])  # its imports take seconds, once here and not in each child
    begun = time.monotonic()
    assert wait(fork(lambda: _run_to_file(None, folder / "whole", threads))) == 0
    whole = (folder / "whole").read_bytes()
    span = max(0.1, 0.6 * (time.monotonic() - begun))
    done = finished = 0
    while done < kills or not finished:
        states, out = folder / f"states-{finished}", folder / f"broken-{finished}"
        number = fork(lambda states=states, out=out: _run_to_file(states, out, threads))  # type: ignore[misc]
        if done < kills:
            time.sleep(chance.uniform(0, span))
            os.kill(number, signal.SIGKILL)
        code = wait(number)
        if code == -signal.SIGKILL:
            done += 1
            continue
        assert code == 0, f"training ended with {code}"
        assert out.read_bytes() == whole, f"run {finished} differs after {done} kills"
        assert not list(states.glob(".*")), "a temporary file is left"
        finished += 1
        shutil.rmtree(states)
    print(f"killed {done}, finished {finished}, all equal")


if __name__ == "__main__":
    torch.set_num_threads(1)  # no pool of threads before the forks
    kill(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
