"""results.json and the plot of the curve over tied layers, out of the measured values."""

from __future__ import annotations

import json
from pathlib import Path

from transmodal.cookbook.papers.cogan.adaptation import ROWS, WAYS
from transmodal.cookbook.papers.cogan.measure import CRITIC, LAYERS
from transmodal.core.atomic import write_atomically
from transmodal.core.evaluation.curves import curves_svg
from transmodal.core.evaluation.results import record as record_result

COMMAND = "python -m transmodal.cookbook.papers.cogan"
COUPLE = {  # what is recorded of a couple: name after the task's, key, key of its chance
    "": ("agreement", "agreement/chance"),
    "/corrected": ("corrected", 0.0),
    "/iou": ("iou", "iou/chance"),
    "/judge": ("judge", None),
    "/judge/real": ("judge/real", None),
    "/entropy": ("entropy", None),
    "/entropy/real": ("entropy/real", None),
    "/class": ("class", "class/chance"),
    "/seconds": ("processor seconds", None),
}
TRANSFORM = {
    "": ("agreement", "agreement/chance"),
    "/corrected": ("corrected", 0.0),
    "/iou": ("iou", None),
    "/back": ("back", 0.1),
}
Keys = dict[str, tuple[str, "str | float | None"]]


def record(values: Path, folder: Path, seeds: list[int]) -> None:
    """Write results.json, and the curves, from the values of all seeds.

    Args:
        values: the work folder's.
        folder: the recipe's.
        seeds: which.
    """
    results = folder / "results.json"

    def read(stem: str) -> dict[int, dict[str, float]]:
        paths = {seed: values / f"{stem}-{seed}.json" for seed in seeds}
        return {s: json.loads(path.read_text()) for s, path in paths.items() if path.is_file()}

    def put(name: str, stem: str, keys: Keys, what: str) -> None:
        found = read(stem)
        for suffix, (key, chance) in keys.items():
            measured = {seed: v[key] for seed, v in found.items() if key in v}
            if not measured:
                continue
            guess = chance
            if isinstance(guess, str):
                guess = sum(found[seed][guess] for seed in measured) / len(measured)
            n = next(iter(found.values())).get("n")
            record_result(
                results, name + suffix, measured, n=int(n) if n and key != "processor seconds"
                else None, chance=guess, command=f"{COMMAND} {what} record",
            )  # fmt: skip

    for task in ("edges", "negatives"):
        put(task, task, COUPLE, task)
        put(f"transform/{task}", f"transform-{task}", TRANSFORM, "transform")
    for name, stem in {"rotation": "rotation-wide", "rotation/waist": "rotation"}.items():
        put(name, stem, {"": ("class", "class/chance"), "/pixels": ("corrected", 0.0),
                         "/judge": ("judge", None)}, "rotation")  # fmt: skip
    curves: dict[str, list[tuple[float, float]]] = {}
    for which, layers in (("generator", LAYERS), ("critic", CRITIC)):
        for count in range(layers):
            stem = f"edges-{which}{count}"
            name = f"edges/tied@{count}" if which == "generator" else f"edges/tied_critic@{count}"
            keep: Keys = {k: COUPLE[k] for k in ("", "/corrected", "/iou")}
            put(name, stem, keep, "tied")
            found = read(stem).values()
            for key in ("agreement", "corrected"):
                if found:
                    mean = sum(v[key] for v in found) / len(found)
                    curves.setdefault(f"{key}, {which} layers", []).append((count, mean))
    if curves:
        svg = curves_svg(curves, "Edges: agreement by tied layers")
        write_atomically(folder / "pictures" / "tied.svg", svg.encode())
    for source, target in WAYS:
        for row in ROWS:
            stem = f"{source}-{target}-{row}"
            found = read(stem)
            if not found:
                continue
            suffix = "" if row == "both" else f"/{row}"
            n = int(next(iter(found.values()))[f"n/{target}"])
            record_result(
                results, f"{source}->{target}{suffix}", {s: v[target] for s, v in found.items()},
                n=n, chance=0.1, command=f"{COMMAND} adaptation record",
            )  # fmt: skip
