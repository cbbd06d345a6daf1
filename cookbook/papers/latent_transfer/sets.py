"""The data sets as tables: MNIST, Fashion-MNIST, and spoken digits (FSDD)."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transmodal.core.errors import DataError
from transmodal.core.modality import Modality
from transmodal.core.signal import Signal
from transmodal.core.table import Memory
from transmodal.registry import Registry

CLASSES = tuple("0123456789")
HELD_BACK = 5000  # training pictures kept for choices, where --validate asks for them
VALIDATION_TAKES = range(5, 10)  # of FSDD, likewise


@dataclass(frozen=True)
class Set:
    """One data set: its modality, and its training and test items with labels."""

    modality: Modality
    train: Memory
    test: Memory


def root() -> Path:
    """The folder of data sets.

    Raises:
        DataError: TRANSMODAL_DATA is unset or names no folder.
    """
    named = os.environ.get("TRANSMODAL_DATA")
    if not named or not Path(named).is_dir():
        raise DataError(
            f"set TRANSMODAL_DATA to the folder of the data sets (it is {named!r}); the recipe's "
            "README, in cookbook/papers, says which it holds"
        )
    return Path(named)


def load(name: str, validate: bool = False) -> Set:
    """The set ``mnist``, ``fashion_mnist`` or ``fsdd``.

    Args:
        name: of the set.
        validate: test on held-back training items instead, for making choices.

    Raises:
        DataError: the data are not there.
    """
    registry = Registry.load()
    if name == "fsdd":
        return _spoken(registry.modality("speech")(sample_rate=8000, seconds=0.75), validate)
    image = registry.modality("image")
    # A mirrored garment is a garment, a mirrored digit is none; and garments, unlike digits, all
    # stand upright and fill the frame, so that warps teach nothing.
    modality = image(augmentation=0, flip=True) if name == "fashion_mnist" else image()
    return _pictures(root() / name / f"{name}.npz", modality, validate)


def _pictures(path: Path, modality: Modality, validate: bool) -> Set:
    if not path.is_file():
        raise DataError(f"no such data set: {path}")
    arrays = np.load(path)

    def memory(part: str, index: slice) -> Memory:
        pictures = torch.from_numpy(arrays[f"{part}_images"][index])[:, None]
        labels = torch.from_numpy(arrays[f"{part}_labels"][index].astype(np.int64))
        return Memory(Signal(pictures.float() / 255), labels)

    if validate:
        return Set(
            modality,
            memory("train", slice(None, -HELD_BACK)),
            memory("train", slice(-HELD_BACK, None)),
        )
    return Set(modality, memory("train", slice(None)), memory("test", slice(None)))


def clips(part: str, validate: bool = False) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The spoken digits of a part as waveforms ``[t]`` at 8 kHz, and their labels ``[m]``.

    Args:
        part: ``"train"`` or ``"test"``.
        validate: the test part is held-back training takes instead.

    Raises:
        DataError: the data are not there.
    """
    import soundfile

    folder = root() / "fsdd"
    if not (folder / "index.csv").is_file():
        raise DataError(f"no such data set: {folder}")
    sound, _ = soundfile.read(folder / "fsdd.flac", dtype="float32")
    with (folder / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    def part_of(row: dict[str, Any]) -> str:
        if row["split"] == "test":
            return "unused" if validate else "test"
        return "test" if validate and int(row["take"]) in VALIDATION_TAKES else "train"

    chosen = [row for row in rows if part_of(row) == part]
    waves = [torch.from_numpy(sound[int(row["start"]) :][: int(row["length"])]) for row in chosen]
    return waves, torch.tensor([int(row["digit"]) for row in chosen])


def _spoken(modality: Modality, validate: bool) -> Set:
    def memory(part: str) -> Memory:
        waves, labels = clips(part, validate)
        return Memory(modality.collate(waves), labels)

    return Set(modality, memory("train"), memory("test"))


def cut(data: Set, quick: bool) -> Set:
    """The whole set, or, for a quick look, enough of it to see that everything runs."""
    if not quick:
        return data

    def some(column: Memory, n: int) -> Memory:
        n = min(n, len(column))
        return Memory(column.signal[:n], column.labels[:n])

    return replace(data, train=some(data.train, 1000), test=some(data.test, 150))
