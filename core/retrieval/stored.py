"""An index on disk: segments that never change, and a list of those that count.

``save`` writes new segments, then replaces the list; whoever is killed on the way leaves the old
list and files that nobody names, which the next ``save`` removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic import write_atomically
from ..errors import CheckpointError, DataError, MediaError
from .segment import Segment

FORMAT, KIND = 1, "transmodal index"
LIST, LOCK = "index.json", ".lock"
ANEW = "restore it or index anew in another folder"


def save(
    folder: Path, segments: Sequence[Segment], about: Mapping[str, Any], known: str | None
) -> str:
    """Make the folder hold these segments.

    Args:
        folder: made if need be.
        segments: those that it holds already are not written again.
        about: more for the list.
        known: the list that this index was loaded from, or last saved as, in this folder.

    Returns:
        The list.

    Raises:
        CheckpointError: the folder holds something else than what is known; another process
            writes there; it cannot be written. What it held is unchanged.
    """
    from safetensors import SafetensorError

    entries = [
        {"key": s.key, "domain": s.domain, "rows": len(s), "classes": s.classes} for s in segments
    ]
    text = json.dumps({"kind": KIND, "format": FORMAT, **about, "segments": entries}, indent=1)
    with _alone(folder):
        old = _text(folder)
        if old not in (None, known):
            raise CheckpointError(
                f"{folder} holds another index, or one that was changed since this one was "
                "loaded; load it anew and add to that, or save in another folder"
            )
        held = {entry["key"] for entry in _entries(folder, old)["segments"]} if old else set()
        try:
            for segment in segments:
                if segment.key not in held:
                    _write(_file(folder, segment.key), segment)
            write_atomically(folder / LIST, text)
        except (OSError, MediaError, SafetensorError) as error:
            raise CheckpointError(f"cannot save the index in {folder}: {error}") from error
        named = {_file(folder, segment.key) for segment in segments}
        for file in {*folder.glob("items-*.safetensors"), *folder.glob(f".{LIST}.*.part")} - named:
            with contextlib.suppress(OSError):
                file.unlink()
    return text


def load(folder: Path) -> tuple[dict[str, Any], list[Segment], str]:
    """The list as an object, the segments, mapped to their files, and the list as it stands.

    Raises:
        CheckpointError: a file is missing, truncated or foreign.
    """
    while True:
        text = _text(folder)
        if text is None:
            raise CheckpointError(f"{folder} holds no index: no {LIST}; save one there first")
        about = _entries(folder, text)
        try:
            return about, [_open(folder, about["width"], e) for e in about["segments"]], text
        except CheckpointError:
            if _text(folder) == text:  # else somebody saved meanwhile
                raise


def _text(folder: Path) -> str | None:
    try:
        return (folder / LIST).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder / LIST} cannot be read: {error}") from error


def _entries(folder: Path, text: str) -> dict[str, Any]:
    try:
        about = json.loads(text)
        whole = (
            (about["kind"], about["format"]) == (KIND, FORMAT)
            and isinstance(about["width"], int)
            and isinstance(about["maker"], str)
            and all(_is_entry(e) for e in about["segments"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder / LIST} is truncated or damaged ({error!r}); {ANEW}"
        ) from error
    if not whole:
        raise CheckpointError(
            f"{folder / LIST} is no {KIND} of format {FORMAT}; another version of transmodal "
            "wrote it, or something else did"
        )
    assert isinstance(about, dict)
    return about


def _is_entry(entry: Mapping[str, Any]) -> bool:
    classes = entry["classes"]
    return (
        all(isinstance(entry[name], str) for name in ("key", "domain"))
        and isinstance(entry["rows"], int)
        and isinstance(classes, list)
        and all(isinstance(name, str) for name in classes)
    )


def _file(folder: Path, key: str) -> Path:
    return folder / f"items-{key}.safetensors"


def _write(file: Path, segment: Segment) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in segment.tensors().items()}, file)
    with file.open("rb") as written:
        os.fsync(written.fileno())


def _open(folder: Path, width: int, entry: Mapping[str, Any]) -> Segment:
    from safetensors import SafetensorError, safe_open

    file = _file(folder, entry["key"])
    try:
        with safe_open(file, "pt") as held:
            tensors = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118
        segment = Segment.from_tensors(tensors, entry["domain"], entry["classes"], entry["key"])
    except (OSError, SafetensorError, DataError) as error:
        raise CheckpointError(
            f"{file} is missing, truncated or damaged ({error}); {ANEW}"
        ) from error
    if segment.vectors.shape != (entry["rows"], width):
        raise CheckpointError(
            f"{file} holds vectors {list(segment.vectors.shape)}, and {LIST} speaks of "
            f"{[entry['rows'], width]}; {ANEW}"
        )
    return segment


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise CheckpointError(f"cannot save the index in {folder}: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CheckpointError(
                f"another process is saving an index in {folder}; wait for its end"
            ) from error
        yield
