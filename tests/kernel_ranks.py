"""What two gloo processes end with, case by case: ``python kernel_ranks.py FOLDER``.

Writes ``FOLDER/CASE-RANK``: what the process said at its end.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from kernel_toys import ITEMS, Toy, draws, fork, single, stages, table, vectors, wait, weights
from torch import Tensor, nn
from torch.distributed import TCPStore

from transmodal.core.errors import TransmodalError
from transmodal.core.evaluation.judge import train_judge
from transmodal.core.kernel import Kernel, Progress, Saved, StageFinished, Training
from transmodal.core.signal import Signal
from transmodal.core.stage import Batches, Phase, Stage

from toys import Dots, dots


def run(
    model: nn.Module, plan: list[Stage], values: Tensor | None = None, **settings: Any
) -> list[str]:
    """A training; the digests of all that was learned at each stage's end."""
    chosen = Training(**{"device": "cpu", "log_every": 2, **settings})
    found = []
    for event in Kernel(model, plan, table(values), chosen).run():
        if isinstance(event, StageFinished):
            found.append(digest(model))
    return found


def digest(model: nn.Module) -> str:
    return str({name: tensor.flatten().tolist() for name, tensor in weights(model).items()})


def norms(folder: Path, rank: int) -> str:
    model = Toy()
    return str(run(model, stages(model, 6)))


def resumed(folder: Path, rank: int, stop: int = 0) -> str:
    """The same, left after a state amid its first stage and gone on with by another model."""
    model = Toy(seed=0 if stop else 5 + rank)
    chosen = Training(device="cpu", log_every=2, save_every=0.0, checkpoint=folder / "states")
    found = []
    for event in Kernel(model, stages(model, 6), table(), chosen).run():
        if isinstance(event, Saved) and event.step == stop:
            return "left"
        if isinstance(event, StageFinished):
            found.append(digest(model))
    return str(found)


def left(folder: Path, rank: int) -> str:
    return resumed(folder, rank, 4)


def twice(folder: Path, rank: int) -> str:
    return str([run(model, single(model, 2)) for model in (Toy(), Toy(seed=1))])


def unlike(folder: Path, rank: int) -> str:
    """What a stage holds still is random in each process."""
    model = Toy(seed=rank)

    def fool(batches: Batches) -> dict[str, Tensor]:
        made = model.make(batches["x"].signals["dots"].values)
        return {"fool": -model.judge(made).mean()}

    first = Stage("first", 2, [Phase("make", [model.make], fool)], draws())
    second = Stage("second", 2, [Phase("judge", [model.judge], model.tell)], draws())
    return str(run(model, [first, second]))


def seeds(folder: Path, rank: int) -> str:
    model = Toy()
    return str(run(model, single(model), seed=rank))


def logs(folder: Path, rank: int) -> str:
    model = Toy()
    return str(run(model, single(model), log_every=2 + rank))


def folders(folder: Path, rank: int) -> str:
    """The first process goes on in the folder of ``left``, the other in one of its own."""
    return resumed(folder if rank == 0 else folder / "own", rank)


def odd(folder: Path, rank: int) -> str:
    """One row is not finite, and one process alone meets it."""
    values = vectors()
    values[17] = float("nan")
    model = Toy(norm=False)
    plan = [Stage("one", 3, [Phase("all", [model], model.plain)], draws(ITEMS // 2))]
    return str(run(model, plan, values, patience=0))


def lost(folder: Path, rank: int) -> str:
    model, turns = Toy(), iter(range(9))

    def plain(batches: Batches) -> dict[str, Tensor]:
        if next(turns) == 3 and rank:
            raise ValueError("this process fails")
        return model.plain(batches)

    return str(run(model, [Stage("one", 9, [Phase("all", [model], plain)], draws())]))


def judges(folder: Path, rank: int) -> str:
    """A judge that the first process needs while it trains with the other."""
    model, found = Toy(), ["none"]
    values, labels = dots(24)
    settings = Training(device="cpu", log_every=2)
    for event in Kernel(model, single(model, 4), table(), settings).run():
        if isinstance(event, Progress) and event.step == 2 and rank == 0:
            judge = train_judge(Dots(), Signal(values), labels, 2, steps=4, batch=8, device="cpu")
            found = [digest(judge)]
    return str([*found, digest(model)])


Case = Callable[[Path, int], str]


def pair(folder: Path, *cases: Case) -> None:
    """Two processes that meet as torchrun lets them: at a store that outlives every training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def agent() -> None:
        kept = TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False)
        signal.pause()
        del kept

    def rank(number: int) -> None:
        os.environ.update(RANK=str(number), LOCAL_RANK=str(number), WORLD_SIZE="2")
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        os.environ.update(TORCHELASTIC_USE_AGENT_STORE="True")
        for case in cases:
            try:
                said = case(folder, number)
            except (TransmodalError, ValueError) as error:
                said = f"{type(error).__name__}: {error}"
            (folder / f"{case.__name__}-{number}").write_text(said)

    keeper = fork(agent)
    ranks = [fork(lambda i=i: rank(i)) for i in range(2)]  # type: ignore[misc]
    codes = [wait(each) for each in ranks]
    os.kill(keeper, signal.SIGKILL)
    wait(keeper)
    assert codes == [0, 0], codes


if __name__ == "__main__":
    torch.set_num_threads(1)  # no pool of threads before the forks
    torch.optim.Adam([torch.zeros(1)])  # its imports take seconds, once here and not in each child
    out = Path(sys.argv[1])
    pair(out, norms, twice, unlike, seeds, logs, odd, judges)
    pair(out, left)
    pair(out, folders, resumed)
    pair(out, lost)
    (out / "alone-0").write_text(judges(out, 0))
