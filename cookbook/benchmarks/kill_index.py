"""Kill -9 a process that adds to an index at random moments; the index must be old or new.

    python -m transmodal.cookbook.benchmarks.kill_index [--kills 100] [--seed 0] [--record]

A process opens the index, adds items with labels and metadata, saves, says so, and begins again.
After a kill, the index must open and hold whole additions only: all that were said to be saved,
and at most one more; with the vectors, labels and metadata that item by item belong to them.
"""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import click
import torch
from torch import Tensor

from transmodal.cookbook.benchmarks.command import given, killing, to_record
from transmodal.cookbook.command import RecipeCommand
from transmodal.core.evaluation.results import record
from transmodal.core.retrieval import Index

RESULTS = Path(__file__).parent.parent / "papers" / "cm_gans" / "results.json"
WIDTH, ITEMS = 32, 150  # items of an addition: enough for segments to be joined and removed
ROUND = 10  # kills on one index


def vectors(addition: int) -> Tensor:
    """Those of an addition."""
    return torch.randn(ITEMS, WIDTH, generator=torch.Generator().manual_seed(addition))


def ids(addition: int) -> list[str]:
    """Those of an addition."""
    return [f"{addition}/{i}" for i in range(ITEMS)]


def write(folder: Path, told: Connection) -> None:
    """Add for ever; tell how many additions are saved."""
    torch.set_num_threads(1)
    while True:
        index = Index.load(folder)
        n = len(index) // ITEMS
        told.send(n)
        notes = [{"addition": n, "item": i} for i in range(ITEMS)]
        index.add(vectors(n), ids(n), "items", labels=[f"c{n % 3}"] * ITEMS, metadata=notes)
        index.save(folder)


def whole(folder: Path, said: int) -> bool:
    """Whether the index holds what was said to be saved, at most one addition more, and no mix."""
    index = Index.load(folder)
    n, rest = divmod(len(index), ITEMS)
    if rest or n not in (said, said + 1):
        return False
    for addition in range(n):
        given = torch.nn.functional.normalize(vectors(addition))
        if not torch.allclose(index.vectors(ids(addition)), given, atol=1e-6):
            return False
        hit = index.search(given[addition % ITEMS, None], 1)[0][0]
        item = {"addition": addition, "item": addition % ITEMS}
        if (hit.id, hit.label, hit.metadata) != (
            f"{addition}/{addition % ITEMS}", f"c{addition % 3}", item,
        ):  # fmt: skip
            return False
    return True


def kill(work: Path, kills: int, seed: int, longest: float = 0.3) -> int:
    """After how many kills the index was whole.

    Args:
        work: an empty folder.
        kills: how many.
        seed: of the moments.
        longest: seconds from its opening of the index to the end of a process.
    """
    draw, good = random.Random(seed), 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["transmodal.core.retrieval"])
    for i in range(kills):
        folder = work / f"index{i // ROUND}"
        if i % ROUND == 0:
            Index(WIDTH).save(folder)
        heard, told = context.Pipe(duplex=False)
        process = context.Process(target=write, args=(folder, told))
        process.start()
        told.close()
        said = heard.recv()
        time.sleep(draw.uniform(0, longest))
        process.kill()
        process.join()
        try:
            while True:
                said = heard.recv()
        except EOFError:
            good += whole(folder, said)
    return good


@click.command(cls=RecipeCommand, help=__doc__)
@killing(100)
@to_record
def main(kills: int, seed: int, recorded: bool) -> None:
    """Run the command line; its help is this module's docstring."""
    with tempfile.TemporaryDirectory() as work:
        good = kill(Path(work), kills, seed)
    click.echo(f"{good} of {kills}")
    if recorded:
        command = "python -m transmodal.cookbook.benchmarks.kill_index --record"
        command += given("kills", "seed")
        record(RESULTS, "search/kills", {seed: good / kills}, n=kills, command=command)
    if good < kills:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
