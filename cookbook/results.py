"""The README's table, made from every ``results.json`` under the cookbook.

Run ``python cookbook/results.py`` to write it, with ``--check`` to fail where it is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
COLUMNS = ("name", "mean", "std", "seeds", "n", "chance", "command")


def read(cookbook: Path) -> list[dict[str, Any]]:
    """Every result, in order of file and of place in it.

    Raises:
        SystemExit: a file that is not a list of results; names it and what is wrong.
    """
    results: list[dict[str, Any]] = []
    for path in sorted(cookbook.rglob("results.json")):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SystemExit(f"{path} is no JSON: {error}") from error
        for result in found:
            missing = [column for column in COLUMNS if column not in result]
            if missing:
                raise SystemExit(f"{path}: {result} lacks {', '.join(missing)}")
            results.append(result)
    return results


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    if not results:
        return "Nothing yet."
    lines = ["| what | mean ± std | seeds | n | chance | command |", "|---|---|---|---|---|---|"]
    for result in results:
        n, seeds = _number(result["n"]), result["seeds"]
        count = len(seeds) if isinstance(seeds, list) else seeds
        value = f"{_number(result['mean'])} ± {_number(result['std'])}"
        chance = _number(result["chance"])
        lines.append(
            f"| {result['name']} | {value} | {count} | {n} | {chance} | `{result['command']}` |"
        )
    return "\n".join(lines)


def _number(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def fill(readme: str, results: list[dict[str, Any]]) -> str:
    """The README with its table made anew."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(results)}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the table, or check it."""
    root = Path(__file__).resolve().parent.parent
    readme = root / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = fill(old, read(root / "cookbook"))
    if "--check" in arguments:
        if new != old:
            print("README.md is stale: run python cookbook/results.py", file=sys.stderr)
            return 1
        return 0
    readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
