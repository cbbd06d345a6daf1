"""Speech from the espeak-ng library that the ``espeakng-loader`` package brings along."""

from __future__ import annotations

import ctypes
import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transmodal.core.config import check_number
from transmodal.core.errors import DataError, SettingError, UnsupportedError

SYNCHRONOUS, DONT_EXIT = 2, 0x8000  # samples come back in this thread; errors do not end it
RATE, PITCH, RANGE = 1, 3, 4  # espeak_PARAMETER
UTF8 = 1
CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def loader() -> Any:
    """The ``espeakng_loader`` module.

    Raises:
        UnsupportedError: it is not installed; says how to install it.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise UnsupportedError(
            f"spoken digits need the package espeakng-loader ({error}); "
            "pip install 'transmodal[demo]'"
        ) from error
    return espeakng_loader


def variants() -> list[str]:
    """Names of the voice variants in the package's data (``"f1"``, ``"m1"``, ``"Alex"``, ...)."""
    return sorted(file.name for file in (Path(loader().get_data_path()) / "voices/!v").iterdir())


class Engine:
    """A speech synthesiser of its own.

    espeak-ng keeps its state in globals, some of which no call resets: what it says depends on
    all it has said before, and on the clock. So an engine is a private copy of the library with
    fixed seeds: two engines asked the same things in the same order say the same, to the bit.

    Raises:
        UnsupportedError: the package is not installed, or its library does not start here.
    """

    def __init__(self) -> None:
        package = loader()
        try:
            self._library = _private_copy(package.get_library_path())
        except OSError as error:
            raise UnsupportedError(
                f"the library of espeakng-loader does not load on this machine: {error}"
            ) from error
        self._library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        self._library.espeak_SetSynthCallback.argtypes = [CALLBACK]
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
            ctypes.c_uint, ctypes.POINTER(ctypes.c_uint), ctypes.c_void_p,
        ]  # fmt: skip
        data = package.get_data_path().encode()
        self.sample_rate: int = self._library.espeak_Initialize(SYNCHRONOUS, 0, data, DONT_EXIT)
        if self.sample_rate <= 0:
            raise UnsupportedError(f"espeak-ng does not start (code {self.sample_rate})")
        self._parts: list[np.ndarray[Any, Any]] = []
        self._callback = CALLBACK(self._collect)  # the library calls it as long as it lives
        self._library.espeak_SetSynthCallback(self._callback)
        self._said = itertools.count(1)

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            # the library reuses the buffer
            self._parts.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return 0

    def say(
        self,
        text: str,
        voice: str = "en",
        rate: int = 175,
        pitch: int = 50,
        melody: int | None = None,
    ) -> Tensor:
        """A waveform ``[t]`` in [-1, 1] at ``sample_rate``.

        Args:
            text: what to say.
            voice: a language, ``+`` and a variant: ``"en-us+f2"``.
            rate: words a minute, 80 to 450.
            pitch: 0 to 99.
            melody: how far the pitch moves, 0 (not at all) to 99; None leaves it to the voice.

        Raises:
            SettingError: no such voice, or a number out of its range.
            DataError: nothing can be heard of it.
        """
        check_number("espeak", "rate", rate, 80, 450, integer=True)
        check_number("espeak", "pitch", pitch, 0, 99, integer=True)
        if melody is not None:
            check_number("espeak", "melody", melody, 0, 99, integer=True)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SettingError(f"espeak-ng has no voice {voice!r}; give a language and a variant")
        self._library.espeak_SetParameter(RATE, rate, 0)  # choosing a voice resets them
        self._library.espeak_SetParameter(PITCH, pitch, 0)
        if melody is not None:
            self._library.espeak_SetParameter(RANGE, melody, 0)
        seed = next(self._said)
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        ctypes.CDLL(None).srand(seed)
        self._parts = []
        data = text.encode() + b"\0"
        failed = self._library.espeak_Synth(data, len(data), 0, 0, 0, UTF8, None, None)
        self._library.espeak_Synchronize()
        wave = np.concatenate(self._parts) if self._parts else np.zeros(1, np.int16)
        if failed or not wave.any():
            raise DataError(f"espeak-ng says nothing for {text!r} with the voice {voice!r}")
        return torch.from_numpy(wave.astype(np.float32) / 32768)


def _private_copy(path: str) -> ctypes.CDLL:
    """The library loaded once more, with globals of its own."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(path).name
        shutil.copy(path, copy)
        return ctypes.CDLL(str(copy))
