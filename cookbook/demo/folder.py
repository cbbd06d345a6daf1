"""The demo's folder: whether it may be written to, and what stands in it already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transmodal.core.atomic import write_atomically
from transmodal.core.errors import CheckpointError, SettingError

NOTE = "demo.json"
STATES = "training"  # the states of an unfinished training


def settings_in(folder: Path) -> dict[str, Any] | None:
    """The settings of the unfinished demo in a folder, None where there is none.

    Raises:
        SettingError: the folder holds something else.
        CheckpointError: the demo's note is damaged.
    """
    note = folder / NOTE
    if not note.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SettingError(f"{folder} is there and holds no demo; choose another --out")
        return None
    try:
        found = json.loads(note.read_text("utf-8"))
        settings = found["settings"]
        finished = found["finished"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(
            f"{note} is damaged ({error!r}); remove {folder} to begin anew"
        ) from error
    return None if finished else dict(settings)


def write_note(folder: Path, settings: dict[str, Any], figures: dict[str, Any] | None) -> None:
    """Say what the folder's demo is; figures only when it is finished.

    Raises:
        MediaError: it cannot be written.
    """
    note = {"finished": figures is not None, "settings": settings, "figures": figures or {}}
    write_atomically(folder / NOTE, json.dumps(note, indent=2) + "\n")


def figures_in(folder: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The figures of a finished demo of these settings, None where there is none."""
    try:
        found = json.loads((folder / NOTE).read_text("utf-8"))
        same = all(found["settings"][key] == value for key, value in settings.items())
        return dict(found["figures"]) if found["finished"] and same else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
