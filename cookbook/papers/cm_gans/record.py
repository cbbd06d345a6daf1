"""results.json out of the measured values."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from transmodal.cookbook.papers.cm_gans import measure
from transmodal.cookbook.papers.cm_gans.experiments import ABLATIONS, DATA, SEMANTIC, Run
from transmodal.cookbook.papers.cm_gans.methods import METHODS, OURS
from transmodal.core.evaluation.results import record as record_result

COMMAND = "python -m transmodal.cookbook.papers.cm_gans"
Values = dict[int, measure.Precisions]  # by seed


class Recorder:
    """Writes what was measured into a recipe's folder.

    Args:
        run: whose values.
        folder: the recipe's.
        seeds: which.
    """

    def __init__(self, run: Run, folder: Path, seeds: list[int]) -> None:
        self.run, self.path, self.seeds = run, folder / "results.json", seeds
        self.written: list[str] = []  # names of the figures
        self._chance: dict[str, dict[str, float]] = {}

    def read(self, name: str, row: str) -> Values:
        """What was measured of a row, as far as it is there."""
        there = {seed: self.run.read(name, row, seed) for seed in self.seeds}
        return {seed: found for seed, found in there.items() if found}

    def chance(self, name: str) -> dict[str, float]:
        """What a random order reaches on a set, by direction."""
        if name not in self._chance:
            self._chance[name] = measure.chance(self.run.set(name).truth)
        return self._chance[name]

    def put(self, name: str, row: str, title: str, verb: str) -> Values:
        """A figure for each direction, and for the average of both bi-modal ones."""
        found = self.read(name, row)
        if not found:
            return found
        chance = self.chance(name)
        first = next(iter(found.values()))
        command = self.command(verb, name)
        for way, each in first.items():
            values = {seed: float(v[way].mean()) for seed, v in found.items()}
            self._write(f"{title}/{way}", values, len(each), chance[way], command)
        average = {seed: measure.bimodal(v) for seed, v in found.items()}
        luck = measure.bimodal(chance)
        self._write(f"{title}/average", average, _queries(first), luck, command)
        return found

    def command(self, verb: str, name: str) -> str:
        """What measures and records a set's figures."""
        return f"{COMMAND} {verb} record --data {name}" + " --quick" * self.run.quick

    def gap(self, title: str, ours: Values, other: Values, command: str) -> None:
        """By how much the average bi-modal MAP differs, with its 95 % interval."""
        found = measure.difference(_mean(ours), _mean(other))
        n = _queries(_mean(ours))
        for ending, value in (("", found.mean), ("/low", found.low), ("/high", found.high)):
            self._write(f"{title}{ending}", {self.seeds[0]: value}, n, 0.0, command)

    def _write(
        self, name: str, values: dict[int, float], n: int, chance: float, command: str
    ) -> None:
        record_result(self.path, name, values, n=n, chance=chance, command=command)
        self.written.append(name)


def _queries(found: measure.Precisions) -> int:
    return sum(map(len, measure.between(found).values()))


def _mean(values: Values) -> measure.Precisions:
    """Average precisions of each query, over the seeds."""
    return {k: np.mean([v[k] for v in values.values()], 0) for k in next(iter(values.values()))}


def record(run: Run, folder: Path, seeds: list[int], sets: tuple[str, ...] = DATA) -> list[str]:
    """Write results.json from the values of all seeds, and tell the figures' names."""
    it = Recorder(run, folder, seeds)
    for name in sets:
        found = {row: it.put(name, row, f"{name}/{row}", "compare") for row in METHODS}
        command = it.command("compare", name)
        others = {row: v for row, v in found.items() if v and row not in (OURS, "published")}
        if found[OURS] and others:
            best = max(others, key=lambda row: measure.bimodal(_mean(others[row])))
            for row, values in others.items():
                it.gap(f"{name}/difference/{row}", found[OURS], values, command)
            it.gap(f"{name}/difference_to_best", found[OURS], others[best], command)
        for row in ABLATIONS:
            for ending in ("", SEMANTIC):
                title = f"ablation/{name}/{row}{ending.replace('-', '/')}"
                it.put(name, f"ablation-{row}{ending}", title, "ablate")
    return it.written
