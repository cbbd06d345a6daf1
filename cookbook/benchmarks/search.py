"""Exact search of our index against faiss's flat index of inner products.

    python -m transmodal.cookbook.benchmarks.search [CASE ...] [--threads 2] [--rounds 9]
        [--seeds 3] [--record]

Items lie around 1,000 directions, each as far from its own as that is from the origin; queries
are items with half as much noise again. The case ``100k/even`` has no groups, which is the
hardest for bounds. Ours is saved, loaded again and searched in the mapped files; both sides get
the same queries, k = 10, and threads, and give back scores and rows (ours can also give ids; that
is not timed). Rounds of both alternate; medians of paired ratios of wall time: so let nothing
else run. Recall is the share of the 10 rows that float64 finds by brute force; memory is the size
of the folder over that of the vectors in float32. ``10m`` has no other side: it tells the peak
memory of building, saving, loading and searching in one process.

``map`` is mean average precision of 500 queries over 4,000 items in 10 classes against a loop of
scikit-learn's ``average_precision_score``, both from vectors.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import torch
from torch import Tensor
from torch.nn.functional import normalize

from transmodal.cookbook.benchmarks.command import given, in_rounds, to_record
from transmodal.cookbook.benchmarks.turns import in_turns
from transmodal.cookbook.command import RecipeCommand
from transmodal.core.evaluation.ranking import Ranking
from transmodal.core.evaluation.results import record
from transmodal.core.retrieval import Index

RESULTS = Path(__file__).parent.parent / "papers" / "cm_gans" / "results.json"
SLAB, QUERIES, K = 250_000, 256, 10


@dataclass(frozen=True)
class Case:
    """What is searched.

    Args:
        n: items.
        width: of their vectors.
        groups: that they lie in; 0 for none.
        against: whether the other side is timed.
    """

    n: int
    width: int
    groups: int = 1000
    against: bool = True


CASES = {
    "100k": Case(100_000, 1024),
    "100k/even": Case(100_000, 1024, groups=0),
    "1m": Case(1_000_000, 256),
    "10m": Case(10_000_000, 128, against=False),
}
WHAT = (*CASES, "map")


class Items:
    """The vectors of a case, a slab at a time, the same each time."""

    def __init__(self, case: Case, seed: int) -> None:
        self.case, self.seed = case, seed
        self.centres = normalize(self._noise(max(case.groups, 1), -1))

    def slab(self, start: int) -> Tensor:
        """Items from ``start`` on, ``SLAB`` or fewer."""
        count = min(SLAB, self.case.n - start)
        noise = self._noise(count, start)
        if not self.case.groups:
            return normalize(noise)
        groups = torch.randint(self.case.groups, (count,), generator=self._generator(start + 1))
        return normalize(normalize(noise) + self.centres[groups])

    def queries(self) -> Tensor:
        """``QUERIES`` of the first items, with noise."""
        rows = torch.randperm(min(SLAB, self.case.n), generator=self._generator(-2))[:QUERIES]
        return normalize(self.slab(0)[rows] + 0.5 * normalize(self._noise(QUERIES, -3)))

    def _noise(self, count: int, stream: int) -> Tensor:
        return torch.randn(count, self.case.width, generator=self._generator(stream))

    def _generator(self, stream: int) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed * 10**9 + stream + 10)


def build(items: Items, folder: Path) -> None:
    """Save an index of all items."""
    index = Index(items.case.width)
    for start in range(0, items.case.n, SLAB):
        slab = items.slab(start)
        index.add(slab, [f"{i:07}" for i in range(start, start + len(slab))], "items")
    index.save(folder)


def brute(index: Index, queries: Tensor) -> Tensor:
    """``[b K]`` rows of the largest cosines in float64."""
    queries = normalize(queries.double())
    scores = torch.empty(len(queries), 0, dtype=torch.double)
    rows, start = torch.empty(len(queries), 0, dtype=torch.long), 0
    for segment in index.segments():
        for part in segment.vectors.split(2**16):
            scores = torch.cat([scores, queries @ part.double().T], 1)
            numbers = torch.arange(start, start + len(part)).expand(len(queries), -1)
            best = scores.topk(min(K, scores.shape[1]), dim=1)
            scores, rows = best.values, torch.cat([rows, numbers], 1).gather(1, best.indices)
            start += len(part)
    return rows


def compare(
    theirs: Callable[[], object], ours: Callable[[], object], rounds: int
) -> tuple[float, float, float]:
    """How many times as fast ours is, and milliseconds of theirs and of ours; medians all."""
    sides = (theirs, ours)
    for side in sides:
        side()
    times = in_turns(sides, rounds, time.perf_counter)
    slow, fast = (1e3 * statistics.median(side) for side in times)
    return statistics.median(a / b for a, b in zip(*times, strict=True)), slow, fast


def measure(case: Case, seed: int, rounds: int, threads: int) -> dict[str, float]:
    """Figures of a case: name -> value."""
    items = Items(case, seed)
    queries = items.queries()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        build(items, folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        begun = time.perf_counter()
        index = Index.load(folder)
        found = {"load": time.perf_counter() - begun, "memory": size / (4 * case.n * case.width)}
        if case.against:
            found |= _against(index, queries, rounds, threads)
        else:
            begun = time.perf_counter()
            index.search(queries, K)
            found["seconds"] = time.perf_counter() - begun
        rows = index.search(queries, K).rows
        found["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        wanted = brute(index, queries)
        found["recall"] = float((rows[:, :, None] == wanted[:, None]).any(2).double().mean())
    return found


def _against(index: Index, queries: Tensor, rounds: int, threads: int) -> dict[str, float]:
    import faiss

    faiss.omp_set_num_threads(threads)
    flat = faiss.IndexFlatIP(index.width)
    for segment in index.segments():
        flat.add(segment.vectors.numpy())
    made = {}
    for name, some, longer in (("", queries, 1), ("one", queries[:1], 4)):
        theirs, ours = partial(flat.search, some.numpy(), K), partial(index.search, some, K)
        made[name], slow, fast = compare(theirs, ours, rounds * longer)
        click.echo(f"  {len(some)} queries: faiss {slow:.1f} ms, ours {fast:.1f} ms")
    return made


def map_speedup(seed: int, rounds: int) -> float:
    """How many times as fast as the loop; raises where the two differ."""
    from sklearn.metrics import average_precision_score

    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(500, 64, generator=generator)
    items = torch.randn(4000, 64, generator=generator)
    asked = torch.randint(10, (500,), generator=generator)
    labels = torch.randint(10, (4000,), generator=generator)

    def loop() -> float:
        scores = (normalize(queries.double()) @ normalize(items.double()).T).numpy()
        same = (asked[:, None] == labels).numpy()
        each = [average_precision_score(a, b) for a, b in zip(same, scores, strict=True)]
        return float(sum(each) / len(each))

    def ours() -> float:
        ranking = Ranking.by_cosine(queries, items, asked, labels)
        return float(ranking.average_precision().mean())

    if abs(loop() - ours()) > 1e-6:
        raise SystemExit(f"MAP differs from scikit-learn's: {ours()} and {loop()}")
    return compare(loop, ours, rounds)[0]


@click.command(cls=RecipeCommand, help=__doc__)
@click.argument("cases", nargs=-1, type=click.Choice(WHAT), metavar="[CASE]...")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True,
              help="Of both sides.")  # fmt: skip
@in_rounds(9)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True,
              help="How many, of the data; 10m takes one.")  # fmt: skip
@to_record
def main(cases: tuple[str, ...], threads: int, rounds: int, seeds: int, recorded: bool) -> None:
    """Run the command line; its help is this module's docstring."""
    torch.set_num_threads(threads)
    suffix = f"/{threads}-threads" if threads != 2 else ""
    for name in cases or WHAT:
        figures: dict[str, dict[int, float]] = {}
        for seed in range(seeds if name != "10m" else 1):
            if name == "map":
                figures.setdefault(f"map_speedup{suffix}", {})[seed] = map_speedup(seed, rounds)
                continue
            for part, value in measure(CASES[name], seed, rounds, threads).items():
                whole = f"search/{name}{suffix}" + (f"/{part}" if part else "")
                figures.setdefault(whole, {})[seed] = value
        if name == "10m":  # the figure asked for is the memory
            figures[f"search/10m{suffix}"] = figures.pop(f"search/10m{suffix}/peak_gib")
        for figure, values in figures.items():
            click.echo(f"{figure:28} " + " ".join(f"{v:.4g}" for v in values.values()))
            if recorded:
                command = f"python -m transmodal.cookbook.benchmarks.search {name} --record"
                command += given("threads", "rounds", "seeds")
                n = 500 if name == "map" else QUERIES
                record(RESULTS, figure, values, n=n, command=command)


if __name__ == "__main__":
    main()
