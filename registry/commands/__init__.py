"""The commands that come with transmodal, entered by the same hook as anybody's."""

from __future__ import annotations

from collections.abc import Mapping

from ..hookspecs import hookimpl


@hookimpl
def register_commands() -> Mapping[str, str]:
    """Name every command; its module is imported when it is asked for."""
    here = "transmodal.registry.commands"
    return {
        "doctor": f"{here}.doctor:doctor",
        "evaluate": f"{here}.evaluate:evaluate",
        "index": f"{here}.retrieval:index",
        "interpolate": f"{here}.generate:interpolate",
        "list": f"{here}.listing:listing",
        "sample": f"{here}.generate:sample",
        "search": f"{here}.retrieval:search",
        "train": f"{here}.train:train",
        "translate": f"{here}.translate:translate",
    }
