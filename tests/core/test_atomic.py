"""Files written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from transmodal.core.atomic import write_atomically, write_together
from transmodal.core.errors import MediaError


def test_folders_are_made_and_nothing_is_left_beside(tmp_path: Path) -> None:
    write_together({tmp_path / "x" / "a": "text", tmp_path / "x" / "b": b"bytes"})
    assert {file.name: file.read_bytes() for file in (tmp_path / "x").iterdir()} == {
        "a": b"text",
        "b": b"bytes",
    }


def test_a_file_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(MediaError, match=r"what was there before is unchanged"):
        write_together({tmp_path / "a": "new", tmp_path / "file" / "b": "new"})
    assert (tmp_path / "a").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "file"]


def test_what_was_renamed_before_another_could_not_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()  # no file can take its place
    with pytest.raises(MediaError, match=r"of what belongs together, a is new already"):
        write_together({tmp_path / "a": "new", tmp_path / "b": "new"})
    assert (tmp_path / "a").read_text() == "new"
    with pytest.raises(MediaError, match=r"what was there before is unchanged"):
        write_atomically(tmp_path / "b", "new")
