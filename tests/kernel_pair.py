"""Trains in two gloo processes, stops them, goes on: ``python kernel_pair.py FOLDER``."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from kernel_toys import Toy, draws, fork, same, table, wait, weights
from safetensors.torch import load_file, save_file
from torch import Tensor

from transmodal.core.bridges.teacher import Teacher
from transmodal.core.kernel import Kernel, Saved, Training
from transmodal.core.stage import Adam, Batch, Lazy, Phase, Stage


class Taught(Toy):
    """The toy without noise, and a teacher that follows its critic and counts what it sees."""

    def __init__(self) -> None:
        super().__init__(norm=False)
        self.teacher = Teacher([self.judge], 2, 0.9)

    def ask(self, real: Tensor) -> None:
        self.teacher.follow([self.judge])
        self.teacher.name(torch.cat([real, -real], 1) * 5)


def plan(model: Taught, size: int) -> list[Stage]:
    """Objectives without noise, so that two shares of a batch mean what the whole does."""

    def make(batches: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        x = batches["x"].signals["dots"].values
        made = model.make(x)
        return {"l2": (made - x).square().mean(), "fool": F.softplus(-model.judge(made)).mean()}

    def tell(batches: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        x = batches["x"].signals["dots"].values
        return {"tell": F.softplus(model.judge(model.make(x))).mean() - model.judge(x).mean()}

    def shared(batches: Mapping[str, Batch], step: int) -> Tensor:
        """What is made, once for both players; of its own noise it has none."""
        return model.make(batches["x"].signals["dots"].values + 0.01 * step)

    def tell_shared(batches: Mapping[str, Batch], made: Tensor) -> Mapping[str, Tensor]:
        x = batches["x"].signals["dots"].values
        real, fake = model.judge(x), model.judge(made.detach())
        model.ask(real.detach())
        return {"tell": F.softplus(-real).mean() + F.softplus(fake).mean()}

    def fool_shared(batches: Mapping[str, Batch], made: Tensor) -> Mapping[str, Tensor]:
        return {"fool": F.softplus(-model.judge(made)).mean()}

    def penalty(batches: Mapping[str, Batch], made: Tensor) -> Tensor:
        x = batches["x"].signals["dots"].values.detach().requires_grad_()
        (slope,) = torch.autograd.grad(model.judge(x).sum(), x, create_graph=True)
        return 0.5 * slope.square().sum(1).mean()

    maker = Phase("make", [model.make], make, clip=0.5, ema=0.5, optimizer=Adam(lr=0.01))
    judge = Phase("judge", [model.judge], tell, turns=2, optimizer=Adam(lr=0.01, warmup=3))
    lazy = Lazy("r1", penalty, every=3)
    critic = Phase("critic", [model.judge], tell_shared, lazy, optimizer=Adam(lr=0.01))
    fooler = Phase("fool", [model.make], fool_shared, ema=0.5, optimizer=Adam(lr=0.01))
    return [
        Stage("both", 12, [maker, judge], draws(size)),
        Stage("game", 12, [critic, fooler], draws(size), shared=shared),
    ]


def train(
    out: Path, size: int, states: Path | None = None, stop: tuple[str, int] | None = None
) -> None:
    """To the end, or until the state after a stage's step is saved and known to all."""
    torch.set_num_threads(1)
    model = Taught()
    settings = Training(
        device="cpu", log_every=2, accumulate=2, checkpoint=states, save_every=0.0
    )  # fmt: skip
    for event in Kernel(model, plan(model, size), table(), settings).run():
        if isinstance(event, Saved) and (event.stage, event.step) == stop:
            os._exit(9)
    save_file(weights(model), out)


def pair(
    folder: Path, name: str, states: Path | None = None, stop: tuple[str, int] | None = None
) -> list[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def rank(number: int) -> None:
        os.environ.update(RANK=str(number), LOCAL_RANK=str(number), WORLD_SIZE="2")
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        train(folder / f"{name}-{number}", 8, states, stop)

    return [wait(each) for each in [fork(lambda i=i: rank(i)) for i in range(2)]]


def main(folder: Path) -> None:
    torch.optim.Adam([torch.zeros(1)])  # its imports take seconds, once here and not in each child
    assert wait(fork(lambda: train(folder / "alone", 16))) == 0
    assert pair(folder, "pair") == [0, 0]
    alone, first, second = (load_file(folder / n) for n in ("alone", "pair-0", "pair-1"))
    start = weights(Taught())
    for name in alone:
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], alone[name], rtol=0, atol=1e-6)
        assert (alone[name] - start[name]).abs().max() > 1e-3, name
    for stage, step in (("both", 6), ("game", 4)):
        states = folder / f"states-{stage}"
        codes = pair(folder, f"stopped-{stage}", states, (stage, step))
        assert codes[0] == 9 and codes[1] != 0, codes
        assert pair(folder, f"resumed-{stage}", states) == [0, 0]
        for number in range(2):
            assert same(load_file(folder / f"resumed-{stage}-{number}"), first)
    print("two processes equal one, and resume exactly")


if __name__ == "__main__":
    torch.set_num_threads(1)  # no pool of threads before the forks
    main(Path(sys.argv[1]))
