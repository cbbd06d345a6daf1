"""The page of a model card, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 200  # characters of a setting that are shown


def page(card: Mapping[str, Any]) -> str:
    """README.md of a card given as a mapping of its fields."""
    parts = [f"# {_cell(card['title'])}", card["intended"]]
    parts += [f"![{alt}]({name})" for name, alt in card["pictures"].items()]
    parts += _results(card["results"])
    parts += _data(card)
    parts += _training(card)
    if card["limits"]:
        parts += ["## Limits", "\n".join(f"- {limit}" for limit in card["limits"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; pipes, line breaks and what may be HTML are escaped in cells."""
    lines = ["| " + " | ".join(map(_cell, head)) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(lines)


def percent(share: float | None) -> str:
    """A share in [0, 1] as text: 0.9412 -> 94.1 %."""
    return "" if share is None else f"{100 * share:.1f} %"


def _cell(value: object) -> str:
    return _plain(value).replace("|", "\\|").replace("\n", " ")


def _plain(value: object) -> str:
    """What Markdown is not to take for HTML."""
    return str(value).replace("&", "&amp;").replace("<", "&lt;")


def _results(results: Mapping[str, Any]) -> list[str]:
    if not results:
        return []
    domains, transfers = results["domains"], results["transfers"]
    title = "## Results on test data"
    if not transfers:
        return [title, *_comparisons(results)]
    rows = [
        [
            f"{t['source']} → {t['target']}",
            percent(t["accuracy"]),
            f"{percent(t['interval'][0])} to {percent(t['interval'][1])}",
            percent(t["agreement"]),
            f"{t['n']:,}",
            percent(t["chance"]),
            percent(t["majority"]),
            _pair(t["frechet"], t["frechet_floor"]),
        ]
        for t in transfers
    ]
    head = ["from → to", "accuracy", "95 % interval", "agreement", "n", "chance", "majority"]
    found = {(t["source"], t["target"]): t["accuracy"] for t in transfers}
    matrix = [[s, *(percent(found.get((s, t))) for t in domains)] for s in domains]
    judges = [[name, percent(share)] for name, share in results["judges"].items()]
    parts = [
        title,
        "Accuracy counts translations read as the true class of their source; agreement counts "
        "those read as the class the source's judge predicted. A row from a domain to itself is "
        "reconstruction. Chance is one in the number of classes, majority what one constant "
        "answer reaches. Intervals are Wilson's over test items, not over seeds.",
        table([*head, "FID (floor)"], rows),
        "Accuracy, row = source, column = target:",
        table(["", *domains], matrix),
        "The judges are classifiers of their own, trained on real training items. Their accuracy "
        "on real test items caps what the table can show:",
        table(["judge of", "accuracy"], judges),
    ]
    parts += _comparisons(results)
    parts += ["### Confusion", "Row = true class of the source, column = class read."]
    for t in transfers:
        parts.append(f"{t['source']} → {t['target']}:")
        names = results["classes"]
        parts.append(
            table(["", *names], [[n, *row] for n, row in zip(names, t["confusion"], strict=True)])
        )
    return parts


def _comparisons(results: Mapping[str, Any]) -> list[str]:
    found = results.get("comparisons")  # cards of before had none
    if not found:
        return []
    rows = [
        [
            f"{c['source']} → {c['target']}",
            c["metric"],
            _metric(c["value"]),
            _metric(c["chance"]) if c["n"] > 1 else "",
            f"{c['n']:,}",
        ]
        for c in found
    ]
    return [
        "What was made against the real items of the same records, by metrics of the target's "
        "modality; chance is the same against the real items of other records:",
        table(["from → to", "metric", "value", "chance", "n"], rows),
    ]


def _metric(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"


def _pair(value: float | None, floor: float | None) -> str:
    if value is None:
        return "too few items"
    return f"{value:.3g}" + ("" if floor is None else f" ({floor:.3g})")


def _data(card: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, facts in card["domains"].items():
        counts = [
            f"{facts[key]:,}" if key in facts else "" for key in ("train", "labelled", "test")
        ]
        rows.append([name, facts.get("modality", ""), facts.get("units", ""), *counts])
    parts = [
        "## Domains and data",
        table(["domain", "modality", "units", "train", "of these labelled", "test"], rows),
    ]
    if card["classes"]:
        parts.append(f"Classes ({len(card['classes'])}): {_plain(', '.join(card['classes']))}.")
    settings = {k: f["settings"] for k, f in card["domains"].items() if f.get("settings")}
    if settings:
        pairs = [[k, key, _setting(v)] for k, s in settings.items() for key, v in s.items()]
        parts.append(table(["domain", "setting", "value"], pairs))
    return parts


def _training(card: Mapping[str, Any]) -> list[str]:
    bridge, training = card["bridge"], card["training"]
    parts = ["## Bridge and training", f"Bridge: `{bridge.get('name', '')}`."]
    settings = [[key, _setting(value)] for key, value in bridge.get("settings", {}).items()]
    if settings:
        parts.append(table(["setting", "value"], settings))
    rows: list[list[object]] = []
    for key, value in training.items():
        if key == "seconds":
            rows.append(["seconds", f"{value:.0f}"])
        elif isinstance(value, dict):
            rows += [[f"{key}: {inner}", _number(v)] for inner, v in value.items()]
        else:
            rows.append([key, value])
    if rows:
        parts.append(table(["training", ""], rows))
    return parts


def _setting(value: object) -> str:
    """A setting in a line that is read; ``card.json`` has all of one as long as a model."""
    text = json.dumps(value)
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}... ({len(text):,} characters; card.json has them all)"


def _number(value: object) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:,}" if whole and isinstance(value, int) and value > 9999 else str(value)
