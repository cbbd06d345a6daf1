"""Signals: SIGINT and SIGTERM end a run after the step at hand."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """While open, the first signal is noted and the second acts as it did before.

    Python hands signals to the main thread only; in any other this does nothing.

    Args:
        active: False to leave signals alone.
    """

    def __init__(self, active: bool) -> None:
        self.active = active and threading.current_thread() is threading.main_thread()
        self.name = ""
        self._earlier: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if self.active:
            self._earlier = {which: signal.signal(which, self._note) for which in CAUGHT}
        return self

    def __exit__(self, *_: object) -> None:
        for which, handler in self._earlier.items():
            signal.signal(which, handler)
        self._earlier = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.name:
            self.__exit__()
            os.kill(os.getpid(), number)
        self.name = signal.Signals(number).name
