"""Every error transmodal raises on purpose, under one base class.

A message says what was asked, what was found and what to do about it.
"""

from __future__ import annotations


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
    """A generator cannot make signals near enough to queries."""
