"""results.json and the plot of the curve over tied layers, out of the measured values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from transmodal.cookbook.papers.cogan.adaptation import ROWS, WAYS
from transmodal.cookbook.papers.cogan.measure import TIED, tied_tag
from transmodal.cookbook.work import Work, remembered
from transmodal.core.atomic import write_atomically
from transmodal.core.evaluation.curves import curves_svg
from transmodal.core.evaluation.results import record as record_result

COMMAND = "python -m transmodal.cookbook.papers.cogan"
Keys = Mapping[str, tuple[str, "str | float | None"]]  # ending -> key of its value, chance or key
PIXELS: Keys = {
    "": ("agreement", "agreement/chance"),
    "/corrected": ("corrected", 0.0),
    "/iou": ("iou", "iou/chance"),
}
COUPLE: Keys = {
    **PIXELS,
    "/judge": ("judge", None),
    "/judge/real": ("judge/real", None),
    "/entropy": ("entropy", None),
    "/entropy/real": ("entropy/real", None),
    "/class": ("class", "class/chance"),
    "/seconds": ("processor seconds", None),
}
TURNED: Keys = {
    "": ("class", "class/chance"),
    "/corrected": ("corrected", 0.0),
    "/judge": ("judge", None),
}
TRANSFORM: Keys = {
    "": ("agreement", "agreement/chance"),
    "/corrected": ("corrected", 0.0),
    "/iou": ("iou", None),
    "/again": ("again", 0.1),
    "/back": ("back", 0.1),
}


class Recorder:
    """Writes what was measured into a recipe's folder.

    Args:
        work: whose values.
        folder: the recipe's.
        seeds: which.
    """

    def __init__(self, work: Work, folder: Path, seeds: list[int]) -> None:
        self.work, self.folder, self.seeds = work, folder, seeds
        self.written: list[str] = []  # names of the figures

    def read(self, stem: str) -> dict[int, dict[str, float]]:
        """Seed -> the values of that training, as far as they are there."""
        return remembered(self.work.folder / "values", stem, self.seeds)

    def put(self, name: str, stem: str, keys: Keys, what: str, n: str = "n") -> None:
        """Record some values of a training; ``n`` is the key of the number of items."""
        found = self.read(stem)
        for ending, (key, chance) in keys.items():
            measured = {seed: v[key] for seed, v in found.items() if key in v}
            if not measured:
                continue
            if isinstance(chance, str):
                chance = sum(found[seed][chance] for seed in measured) / len(measured)
            record_result(
                self.folder / "results.json",
                name + ending,
                measured,
                n=None if "seconds" in key else int(found[next(iter(measured))][n]),
                chance=chance,
                command=f"{COMMAND} {what} record{self.work.asked}",
            )
            self.written.append(name + ending)

    def curves(self) -> None:
        """The curves over tied layers, as figures and as a plot."""
        curves: dict[str, list[tuple[float, float]]] = {}
        for which, layers in TIED.items():
            end = "" if which == "generator" else "_critic"
            for count in range(layers):
                stem = f"edges{tied_tag(which, count)}"
                self.put(f"edges/tied{end}@{count}", stem, PIXELS, "tied")
                measured = self.read(stem).values()
                for key in ("agreement", "corrected") if measured else ():
                    mean = sum(v[key] for v in measured) / len(measured)
                    curves.setdefault(f"{key}, {which} layers", []).append((count, mean))
        curves = {name: points for name, points in curves.items() if len(points) > 1}
        if curves:
            svg = curves_svg(curves, "Edges: agreement by tied layers", across="tied layers")
            write_atomically(self.folder / "pictures" / "tied.svg", svg.encode())


def record(work: Work, folder: Path, seeds: list[int]) -> list[str]:
    """Write results.json, and the curves, from the values of all seeds, and tell their names.

    See ``Recorder``.
    """
    it = Recorder(work, folder, seeds)
    for task in ("edges", "negatives"):
        it.put(task, task, COUPLE, task)
        it.put(f"transform/{task}", f"transform-{task}", TRANSFORM, "transform")
    it.put("edges/lead@0.125", "edges-lead0.125", PIXELS, "lead")
    it.put("rotation", "rotation-wide", TURNED, "rotation")
    it.put("rotation/waist", "rotation", TURNED, "rotation")
    it.curves()
    for source, target in WAYS:
        for row in ROWS:
            ending = "" if row == "both" else f"/{row}"
            keys: Keys = {ending: (target, 0.1)}
            stem = f"{source}-{target}-{row}"
            it.put(f"{source}->{target}", stem, keys, "adaptation", n=f"n/{target}")
    return it.written
