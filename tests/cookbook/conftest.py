"""What the recipes' tests share."""

from __future__ import annotations

import pytest

from transmodal.cookbook.work import Work


@pytest.fixture
def measured_of(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Name of values -> the files that they would be of; nothing is measured."""
    found: dict[str, list[str]] = {}
    monkeypatch.setattr(Work, "remember", lambda self, name, measure, of: found.update({name: of}))
    return found
