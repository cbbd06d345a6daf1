"""Sources: where the items and the labels of records come from, row by row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .arrays import listed
from .errors import DataError
from .manifest import read_manifest
from .stage import UNLABELLED

RESERVED = ("label", "group", "split")
Fields = tuple[str | None, ...]  # one of each row


@dataclass(frozen=True)
class Items:
    """The items of one domain and the rows they stand in.

    Args:
        items: data, or paths of files that hold them.
        rows: ``[m]`` row numbers, ascending.
    """

    items: Sequence[Any]
    rows: Tensor


Found = tuple[dict[str, Items], Fields, Fields, Fields]  # columns, labels, groups, splits


def arrays(
    columns: Mapping[str, Sequence[Any]],
    labels: Mapping[str, Sequence[Any]] | Sequence[Any] | None,
    paired: bool,
    groups: Mapping[str, Sequence[Any]] | Sequence[Any] | None,
) -> Found:
    """See ``Records.from_arrays``."""
    if not columns:
        raise DataError("records need at least one domain, {name: items}")
    sizes = {domain: len(items) for domain, items in columns.items()}
    for domain, size in sizes.items():
        if not size:
            raise DataError(f"the domain {domain!r} has no items")
    if paired and len(set(sizes.values())) > 1:
        raise DataError(f"paired domains need the same number of items, not {sizes}")
    made: dict[str, Items] = {}
    start = 0
    for domain, items in columns.items():
        if hasattr(items, "iloc"):  # pandas' [i] is the item of that name, not at that place
            items = list(getattr(items, "values", items))
        made[domain] = Items(items, torch.arange(start, start + sizes[domain]))
        start += 0 if paired else sizes[domain]
    total = next(iter(sizes.values())) if paired else start
    return (
        made,
        _per_row("labels", labels, sizes, total, paired),
        _per_row("groups", groups, sizes, total, paired),
        (),
    )


def manifest(path: Path, domains: Sequence[str] | None, inline: Sequence[str]) -> Found:
    """See ``Records.from_manifest``."""
    header, lines = read_manifest(path)
    wanted = [name for name in header if name not in RESERVED]
    if domains is not None:
        for domain in listed(domains, "domains"):
            if domain not in wanted:
                raise DataError(
                    f"{path}: no column {domain!r}; the columns are {', '.join(header)}"
                )
        wanted = list(domains)
    for domain in listed(inline, "inline"):
        if domain not in wanted:
            raise DataError(
                f"{path}: inline {domain!r} is none of the domains read: {', '.join(wanted)}"
            )
    made: dict[str, Items] = {}
    for domain in wanted:
        items: list[Any] = []
        rows: list[int] = []
        for row, line in enumerate(lines):
            cell = line.get(domain)
            if isinstance(cell, list | dict):
                raise DataError(
                    f"{path}, row {row + 1}, field {domain!r}: a {type(cell).__name__}, where a "
                    "cell is one item; give a row for each"
                )
            if cell:
                items.append(cell if domain in inline else _file(path, row, domain, cell))
                rows.append(row)
        if not items:
            raise DataError(f"{path}: the column {domain!r} is empty in every row")
        made[domain] = Items(items, torch.tensor(rows))
    if not made:
        raise DataError(f"{path}: no domain column beside {', '.join(header) or 'nothing'}")

    def field(name: str) -> tuple[str | None, ...]:
        return tuple(line.get(name) or None for line in lines)

    labels, groups = (tuple(map(_text, field(name))) for name in ("label", "group"))
    return made, labels, groups, field("split")


def _file(path: Path, row: int, domain: str, cell: str) -> Path:
    """The file that a cell of a manifest names."""
    file = path.parent / cell
    try:
        there = file.is_file()
    except (OSError, ValueError):  # too long for a name, as a text is, or with a zero in it
        there = False
    if not there:
        raise DataError(
            f"{path}, row {row + 1}, field {domain!r}: no such file {cell:.60}; cells are paths of "
            "files, unless the column is said to be inline"
        )
    return file


def folders(given: Mapping[str, str | Path], paired: bool) -> Found:
    """See ``Records.from_folders``."""
    if not given:
        raise DataError("records need at least one domain, {name: folder}")
    found: dict[str, list[tuple[str, Path, str | None]]] = {}
    for domain, folder in given.items():
        root = Path(folder)
        if not root.is_dir():
            raise DataError(f"domain {domain!r}: no such folder {root}")
        files = sorted(_files(root))
        if not files:
            raise DataError(f"domain {domain!r}: the folder {root} holds no files")
        found[domain] = [
            (
                str(file.relative_to(root).with_suffix("")),
                file,
                file.relative_to(root).parts[0] if file.parent != root else None,
            )
            for file in files
        ]
    keys: dict[object, int] = {}
    labels: list[str | None] = []
    made: dict[str, Items] = {}
    for domain, entries in found.items():
        placed: list[tuple[int, Path]] = []
        for stem, file, label in entries:
            key = stem if paired else (domain, file)
            if key not in keys:
                keys[key] = len(labels)
                labels.append(label)
            placed.append((keys[key], file))
        placed.sort()
        for (row, file), (other, twin) in pairwise(placed):
            if row == other:
                raise DataError(
                    f"domain {domain!r}: {file} and {twin} are of one name and would share a row; "
                    "rename or remove one"
                )
        made[domain] = Items([file for _, file in placed], torch.tensor([row for row, _ in placed]))
    return made, tuple(labels), (), ()


def _files(root: Path) -> Iterator[Path]:
    """The files in a folder and below, of linked folders too; nothing whose name is hidden."""
    for here, inside, names in os.walk(root, followlinks=True):
        place = Path(here).absolute()
        above = {folder.resolve() for folder in (place, *place.parents)}
        inside[:] = [  # a link to a folder above would lead round and round
            name
            for name in inside
            if not name.startswith(".") and Path(here, name).resolve() not in above
        ]
        files = (Path(here, name) for name in names if not name.startswith("."))
        yield from filter(Path.is_file, files)


def _per_row(
    what: str,
    given: Mapping[str, Sequence[Any]] | Sequence[Any] | None,
    sizes: Mapping[str, int],
    total: int,
    paired: bool,
) -> tuple[str | None, ...]:
    if given is None:
        return (None,) * total
    if isinstance(given, Mapping):
        if paired:
            raise DataError(f"paired records take one sequence of {what}, an entry per row")
        for domain in given:
            if domain not in sizes:
                raise DataError(f"{what} are given for {domain!r}, which is no domain here")
        values: list[Any] = []
        for domain, size in sizes.items():
            own = given.get(domain, [None] * size)
            if len(own) != size:
                raise DataError(f"{domain!r} has {size} items and {len(own)} {what}")
            values.extend(own)
    elif paired or len(sizes) == 1:
        values = list(given)
    else:
        raise DataError(f"unpaired domains take {what} as {{domain: sequence}}")
    if len(values) != total:
        raise DataError(f"{total} rows need as many {what}, not {len(values)}")
    return tuple(_text(value) for value in values)


def _text(value: Any) -> str | None:
    """A label or group in words; None where it says that it is not known."""
    if value is None:
        return None
    try:
        plain = value.item() if hasattr(value, "item") else value
    except (RuntimeError, ValueError):
        raise DataError(
            f"a label or group is a word or a number, not an array of shape {tuple(value.shape)}"
        ) from None
    try:  # by NaN, which is like nothing, or by what cannot be compared, tables say "missing"
        missing = bool(plain != plain)
    except TypeError:
        missing = True
    return None if missing or plain in (UNLABELLED, str(UNLABELLED)) else str(plain)
