"""Write a file so that a reader finds the old content or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .errors import MediaError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write beside the file, flush to the disk, then rename. Folders are made as needed.

    Raises:
        MediaError: it cannot be written (a full disk, no permission); the old file stays.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise MediaError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose "
            "another folder (what was there before is unchanged)"
        ) from error
