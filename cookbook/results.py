"""The READMEs' tables, made from every ``results.json`` under the cookbook.

The root README shows the headlines of all of them; a README beside a results.json shows all of
its figures. ``python cookbook/results.py`` writes them, ``--check`` fails where one is stale.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
HEADLINES = re.compile(
    r"[^/]+|demo/[^/]+|\w+/cm_gans/average|search/[0-9]+[km]"
    r"|\w+->\w+/(realism|identity|top1|wer|style|cer|bleu)"
)
COLUMNS = ("name", "mean", "std", "seeds", "n", "chance", "command")


def read(path: Path) -> list[dict[str, Any]]:
    """The results in a file, in order.

    Raises:
        SystemExit: it is not a list of results; names it and what is wrong.
    """
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SystemExit(f"{path} is no JSON: {error}") from error
    for result in found:
        missing = [column for column in COLUMNS if column not in result]
        if missing:
            raise SystemExit(f"{path}: {result} lacks {', '.join(missing)}")
    return found


def headline(result: dict[str, Any]) -> bool:
    """Whether the root README shows it: the details of a figure have its name and a slash."""
    return HEADLINES.fullmatch(result["name"]) is not None


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown; of several recipes, if a result says which is its own."""
    if not results:
        return "Nothing yet."
    lines = ["| what | mean ± std | seeds | n | chance | command |", "|---|---|---|---|---|---|"]
    several = "recipe" in results[0]
    if several:
        lines = ["| recipe " + lines[0], "|---" + lines[1]]
    for result in results:
        n, seeds = _number(result["n"]), result["seeds"]
        count = len(seeds) if isinstance(seeds, list) else seeds
        value, spread = _number(result["mean"]), _number(result["std"])
        value += f" ± {spread}" if spread else ""
        chance = _number(result["chance"])
        recipe = f"| {result['recipe']} " if several else ""
        lines.append(
            f"{recipe}| {result['name']} | {value} | {count} | {n} | {chance} "
            f"| `{result['command']}` |"
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


def pages(root: Path) -> dict[Path, str]:
    """Every README that has a table, as it should be."""
    made: dict[Path, str] = {}
    headlines: list[dict[str, Any]] = []
    for path in sorted((root / "cookbook").rglob("results.json")):
        results = read(path)
        recipe = path.parent.name
        headlines += [{**result, "recipe": recipe} for result in results if headline(result)]
        beside = path.parent / "README.md"
        if beside.is_file():
            made[beside] = fill(beside.read_text(encoding="utf-8"), results)
    readme = root / "README.md"
    made[readme] = fill(readme.read_text(encoding="utf-8"), headlines)
    return made


def main(arguments: list[str]) -> int:
    """Write the tables, or check them."""
    stale = 0
    for path, new in pages(Path(__file__).resolve().parent.parent).items():
        if new == path.read_text(encoding="utf-8"):
            continue
        if "--check" in arguments:
            print(f"{path} is stale: run python cookbook/results.py", file=sys.stderr)
            stale = 1
        else:
            path.write_text(new, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
