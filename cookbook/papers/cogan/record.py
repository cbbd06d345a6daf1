"""results.json and the plot of the curve over tied layers, out of the measured values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from transmodal.cookbook.papers.cogan.adaptation import ROWS, WAYS
from transmodal.cookbook.papers.cogan.measure import TIED, tied_tag
from transmodal.cookbook.recording import Recorder
from transmodal.cookbook.work import Work
from transmodal.core.atomic import write_atomically
from transmodal.core.evaluation.curves import curves_svg

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


def record(work: Work, folder: Path, seeds: Sequence[int]) -> list[str]:
    """Write results.json, and the curves, from the values of all seeds, and tell their names.

    Args:
        work: whose values.
        folder: the recipe's.
        seeds: to look for.
    """
    to = Recorder(work, folder / "results.json", seeds, COMMAND)
    for task in ("edges", "negatives"):
        put(to, task, task, COUPLE, task)
        put(to, f"transform/{task}", f"transform-{task}", TRANSFORM, "transform")
    put(to, "edges/lead@0.125", "edges-lead0.125", PIXELS, "lead")
    put(to, "rotation", "rotation-wide", TURNED, "rotation")
    put(to, "rotation/waist", "rotation", TURNED, "rotation")
    tied(to, folder / "pictures" / "tied.svg")
    for source, target in WAYS:
        for row in ROWS:
            name = f"{source}->{target}" + ("" if row == "both" else f"/{row}")
            values = to.read(f"{source}-{target}-{row}")
            to.put(name, values, target, "adaptation", n=f"n/{target}", chance=0.1)
    return to.written


def put(to: Recorder, name: str, stem: str, keys: Keys, verb: str) -> None:
    """Record some values of a training."""
    values = to.read(stem)
    for ending, (key, chance) in keys.items():
        if isinstance(chance, str):
            guessed = [v[chance] for v in values.values() if key in v]
            chance = sum(guessed) / max(1, len(guessed))
        n = None if "seconds" in key else "n"
        to.put(name + ending, values, key, verb, n=n, chance=chance)


def tied(to: Recorder, path: Path) -> None:
    """The curves over tied layers, as figures and as a plot in the file ``path``."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for which, layers in TIED.items():
        end = "" if which == "generator" else "_critic"
        for count in range(layers):
            stem = f"edges{tied_tag(which, count)}"
            put(to, f"edges/tied{end}@{count}", stem, PIXELS, "tied")
            measured = to.read(stem).values()
            for key in ("agreement", "corrected") if measured else ():
                mean = sum(v[key] for v in measured) / len(measured)
                curves.setdefault(f"{key}, {which} layers", []).append((count, mean))
    curves = {name: points for name, points in curves.items() if len(points) > 1}
    if curves:
        svg = curves_svg(curves, "Edges: agreement by tied layers", across="tied layers")
        write_atomically(path, svg.encode())
