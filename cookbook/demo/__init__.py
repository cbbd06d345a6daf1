"""``transmodal demo``: handwritten digits to spoken ones and back, in minutes."""

from __future__ import annotations

from collections.abc import Mapping

from transmodal.registry import hookimpl


@hookimpl
def register_commands() -> Mapping[str, str]:
    """``demo``: train and show the translator of handwritten and spoken digits."""
    return {"demo": "transmodal.cookbook.demo.command:demo"}
