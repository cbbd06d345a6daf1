"""Results: figures measured over seeds, kept in one JSON file."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic import write_atomically
from ..errors import DataError

Entry = dict[str, Any]


def record(
    path: Path,
    name: str,
    values: Mapping[int, float],
    *,
    n: int | None = None,
    chance: float | None = None,
    command: str,
) -> Entry:
    """Put a figure into a results file, in place of the one of the same name.

    The file is a list of {name, mean, std, seeds, n, chance, command}, sorted by name, and is
    replaced as a whole: a reader finds the old list or the new one. Two writers at once may
    lose an entry, so recipes record one after another.

    Args:
        path: the JSON file, made if missing.
        name: of the figure, such as ``"mnist->fsdd"``.
        values: seed -> value measured.
        n: test items behind each value, None where that has no meaning.
        chance: what guessing reaches, None likewise.
        command: what a reader runs to measure it again.

    Returns:
        The entry; std is the sample standard deviation over seeds, None for a single seed.

    Raises:
        DataError: no values, a value that is not finite, or a file that is no such list.
    """
    if not values:
        raise DataError(f"result {name!r} has no values; give one for each seed")
    for seed, value in values.items():
        if not math.isfinite(value):
            raise DataError(f"result {name!r} is {value} for seed {seed}; record finite values")
    figures = [float(values[seed]) for seed in sorted(values)]
    entry: Entry = {
        "name": name,
        "mean": statistics.fmean(figures),
        "std": statistics.stdev(figures) if len(figures) > 1 else None,
        "seeds": sorted(values),
        "n": n,
        "chance": chance,
        "command": command,
    }
    kept = [old for old in read_results(path) if old["name"] != name] if path.exists() else []
    text = json.dumps(sorted([*kept, entry], key=lambda e: str(e["name"])), indent=2)
    write_atomically(path, text + "\n")
    return entry


def read_results(path: Path) -> list[Entry]:
    """The entries of a results file.

    Raises:
        DataError: the file is missing, or is not a list of named entries.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"no results can be read from {path.name}: {error}") from error
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and "name" in entry for entry in entries
    ):
        raise DataError(f"{path.name} is not a list of results; move it away and record anew")
    return entries


def results_table(entries: list[Entry]) -> str:
    """The entries as a Markdown table, for READMEs."""
    rows = ["| figure | mean | std | seeds | n | chance |", "|---|---|---|---|---|---|"]
    for entry in entries:
        cells = [
            str(entry["name"]),
            f"{entry['mean']:.4g}",
            "" if entry.get("std") is None else f"{entry['std']:.2g}",
            str(len(entry.get("seeds", []))),
            "" if entry.get("n") is None else f"{entry['n']:,}",
            "" if entry.get("chance") is None else f"{entry['chance']:.3g}",
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
