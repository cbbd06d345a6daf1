"""Texts in files of UTF-8."""

from __future__ import annotations

from pathlib import Path

from ...core.atomic import write_atomically
from ...core.errors import MediaError

MAX_BYTES = 1 << 20
SUFFIX = ".txt"


def read_text(path: Path) -> str:
    """What a file says, without one newline at its end.

    Raises:
        MediaError: no such file, larger than the limit, unreadable, or no UTF-8.
    """
    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    if (weight := path.stat().st_size) > MAX_BYTES:
        raise MediaError(f"{path}: {weight:,} bytes, more than the limit of {MAX_BYTES:,}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise MediaError(f"{path}: not readable ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise MediaError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    return text.replace("\r\n", "\n").removesuffix("\n")


def write_text(text: str, path: Path) -> None:
    """Put a text into a file.

    Raises:
        MediaError: the suffix is another than .txt, or the file cannot be written.
    """
    if path.suffix.lower() != SUFFIX:
        raise MediaError(f"{path}: texts are written as {SUFFIX}")
    write_atomically(path, text + "\n")
