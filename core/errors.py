"""Every error transmodal raises on purpose, under one base class.

A message says what was asked, what was found and what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping

SHOWN = 5  # positions an error names before it says how many more there are


class TransmodalError(Exception):
    """Base of every error raised on purpose by transmodal."""


class SettingError(TransmodalError, ValueError):
    """A setting is of the wrong type, out of range, or contradicts another."""


class DataError(TransmodalError, ValueError):
    """Records, rows, fields or values cannot be used as given."""


class MediaError(DataError):
    """A media file cannot be read or written: missing, truncated, too large, wrong kind."""


class UnknownNameError(TransmodalError, LookupError):
    """A modality, bridge or domain of that name is not there."""


class PluginError(TransmodalError):
    """A plugin failed to load, clashes with another, or breaks its contract."""


class UnsupportedError(TransmodalError):
    """The bridge or modality does not have the ability that was asked for."""


class CheckpointError(TransmodalError):
    """A saved state is missing, damaged, foreign, or cannot be written."""


class TrainingError(TransmodalError):
    """Training cannot go on: non-finite gradients past patience, unclaimed parameters."""


class ReachError(TransmodalError):
    """A generator cannot make signals near enough to queries.

    Args:
        message: what to say; ``{missed}`` in it becomes the count and ``{positions}`` the places.
        missed: position of each query that is missed -> what to say of it, if anything.
        total: how many queries were looked at.
    """

    def __init__(
        self, message: str, missed: Mapping[int, str] | None = None, total: int = 0
    ) -> None:
        self.message, self.missed, self.total = message, dict(missed or {}), total
        if self.missed:
            places = [f"{i} {what}".rstrip() for i, what in self.missed.items()]
            more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
            message = message.format(
                missed=f"{len(places)} of {total} queries",
                positions=", ".join(places[:SHOWN]) + more,
            )
        super().__init__(message)

    def after(self, count: int) -> ReachError:
        """The same of queries that stand behind ``count`` others, none of which is missed."""
        missed = {count + i: what for i, what in self.missed.items()}
        return ReachError(self.message, missed, count + self.total)
