"""The kernel: plays stages and phases under AMP, and survives being killed."""

from .events import (
    Event,
    Interrupted,
    Progress,
    Resumed,
    Saved,
    Skipped,
    StageFinished,
    StageStarted,
)
from .loop import Kernel
from .settings import Training

__all__ = [
    "Event",
    "Interrupted",
    "Kernel",
    "Progress",
    "Resumed",
    "Saved",
    "Skipped",
    "StageFinished",
    "StageStarted",
    "Training",
]
