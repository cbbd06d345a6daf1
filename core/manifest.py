"""Manifests: tables of records as CSV or JSONL files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from .errors import DataError


def read_manifest(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """The header and the rows of a CSV (with a header) or JSONL file.

    Cells are text, or None; a list or an object of JSONL stays what it is.

    Raises:
        DataError: it is missing, no text, empty, or not of its kind; names the file and row.
    """
    if not path.is_file():
        raise DataError(f"no such manifest: {path}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from error
    kind = path.suffix.lower()
    if kind == ".csv":
        try:
            lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
        except csv.Error as error:
            raise DataError(f"{path} cannot be read as CSV: {error}; is a quote open?") from error
        header = lines[0] if lines else []
        if len(set(header)) < len(header):
            twice = sorted({name for name in header if header.count(name) > 1})
            raise DataError(f"{path}: the header names {', '.join(map(repr, twice))} twice")
        table: list[dict[str, Any]] = []
        for row, line in enumerate(lines[1:]):
            if len(line) != len(header):
                raise DataError(
                    f"{path}, row {row + 1}: {len(line)} fields where the header has {len(header)}"
                )
            table.append(dict(zip(header, line, strict=True)))
    elif kind == ".jsonl":
        table = []
        for row, record in enumerate(filter(str.strip, text.split("\n"))):
            try:
                entry = json.loads(record, object_pairs_hook=_unique)
            except ValueError as error:
                raise DataError(f"{path}, row {row + 1}: not a JSON object: {error}") from error
            if not isinstance(entry, dict):
                raise DataError(f"{path}, row {row + 1}: not a JSON object but {record[:40]!r}")
            plain = (type(None), list, dict)
            table.append({k: v if isinstance(v, plain) else str(v) for k, v in entry.items()})
        header = list(dict.fromkeys(key for entry in table for key in entry))
    else:
        raise DataError(f"{path}: a manifest is .csv or .jsonl, not {path.suffix or 'nameless'!r}")
    if not table:
        raise DataError(f"{path} holds no records")
    return header, table


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"a field is named twice in {names}")
    return dict(pairs)
