"""Write a file so that a reader finds the old content or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from .errors import MediaError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write beside the file, flush to the disk, then rename. Folders are made as needed.

    Raises:
        MediaError: it cannot be written (a full disk, no permission); the old file stays.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files of which none is renamed before all are on the disk.

    Raises:
        MediaError: one cannot be written, and all the old files stay; or, after the first was
            renamed, another cannot be, and says so.
    """
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in contents}
    path = next(iter(contents))
    renamed: list[str] = []
    try:
        for path, content in contents.items():
            data = content.encode("utf-8") if isinstance(content, str) else content
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside[path].open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for path, part in beside.items():
            part.replace(path)
            renamed.append(path.name)
    except OSError as error:
        for part in beside.values():
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        kept = "what was there before is unchanged"
        if renamed:
            kept = f"of what belongs together, {', '.join(renamed)} is new already: write it again"
        raise MediaError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose "
            f"another folder ({kept})"
        ) from error
