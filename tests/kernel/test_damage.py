"""States harmed on disk, and disks that take no more."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kernel_toys import again, same, weights

from transmodal.core.errors import CheckpointError
from transmodal.core.kernel import checkpoint


def damage() -> Iterator[Any]:
    chance = random.Random(7)
    for name in ("state-7.json", "state-7.safetensors"):
        for _ in range(10):
            yield name, "flip", chance.random(), chance.randrange(8)
        for share in (0.0, 0.3, 0.97):
            yield name, "cut", share, 0
        yield name, "zeros", 0.5, 0


def harm(path: Path, how: str, share: float, bit: int) -> None:
    data = bytearray(path.read_bytes())
    place = int(share * len(data))
    if how == "flip":
        data[place] ^= 1 << bit
    elif how == "cut":
        del data[place:]
    else:
        data[place:] = bytes(len(data) - place)
    path.write_bytes(data)


@pytest.mark.parametrize(("name", "how", "share", "bit"), list(damage()))
def test_a_damaged_state_is_named_and_the_one_before_taken(
    name: str, how: str, share: float, bit: int, folder: Path
) -> None:
    harm(folder / name, how, share, bit)
    state = checkpoint.Folder(folder, identity(folder)).load()
    assert state is not None
    assert state.path.name == "state-6.json"
    assert f"{folder / name} is damaged" in state.warning
    assert "going on from state-6.json instead" in state.warning


def identity(folder: Path) -> Any:
    return json.loads((folder / "state-6.json").read_text())["identity"]


def test_from_the_state_before_the_same_bits_come_with_a_warning(
    folder: Path, unbroken: dict[str, torch.Tensor]
) -> None:
    harm(folder / "state-7.safetensors", "flip", 0.9, 3)
    events, model = again(folder)
    assert events[0].step == 6
    assert "state-7.safetensors is damaged" in events[0].warning
    assert same(weights(model), unbroken)


def test_a_state_without_its_tensors_is_named(folder: Path) -> None:
    (folder / "state-7.safetensors").unlink()
    events, _ = again(folder)
    assert "state-7.safetensors cannot be read: No such file" in events[0].warning


def test_when_all_are_damaged_nothing_is_guessed(folder: Path) -> None:
    harm(folder / "state-7.safetensors", "cut", 0.5, 0)
    harm(folder / "state-6.json", "cut", 0.5, 0)
    message = r"no state in .* can be used: .*state-7\.safetensors.*; .*state-6\.json is damaged"
    with pytest.raises(CheckpointError, match=message):
        again(folder)


@pytest.mark.parametrize("place", ["file", "folder", "rename"])
def test_a_full_disk_stops_the_training_and_leaves_the_state_before(
    place: str, folder: Path, monkeypatch: pytest.MonkeyPatch, unbroken: dict[str, torch.Tensor]
) -> None:
    real = os.fsync

    def full(handle: int) -> None:
        target = os.readlink(f"/proc/self/fd/{handle}")
        if (place == "file" and ".json" in target) or (place == "folder" and target == str(folder)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    def no_rename(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        if place == "rename":
            patch.setattr(Path, "replace", no_rename)
        with pytest.raises(CheckpointError, match=r"cannot be saved: .*No space left on device"):
            again(folder, save_every=0.0)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"state-{n}.{kind}" for n in (6, 7) for kind in ("json", "safetensors")]
    events, model = again(folder)
    assert (events[0].step, events[0].warning) == (7, "")
    assert same(weights(model), unbroken)


def test_a_write_cut_short_by_the_system_leaves_the_state_before(folder: Path) -> None:
    """A real limit on file sizes, where os.write itself fails."""
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, earlier[1]))
    try:
        with pytest.raises(CheckpointError, match="cannot be saved: .*File too large"):
            again(folder, save_every=0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
    assert len(list(folder.iterdir())) == 4
    assert again(folder)[0][0].step == 7
