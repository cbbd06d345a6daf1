"""Checkpoints: states of a run in a folder, each whole or not there at all.

A state is a pair: ``state-<n>.safetensors`` holds the tensors, ``state-<n>.json`` everything
else and the SHA-256 of both. The JSON file is renamed into place last; without it a state does
not exist. The last two are kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..atomic import write_atomically
from ..errors import CheckpointError, MediaError

FORMAT = 1
KEPT = 2
NAME = re.compile(r"state-(\d+)\.json")


@dataclass(frozen=True)
class State:
    """What a checkpoint holds.

    Args:
        tensors: by name.
        facts: everything else, as JSON holds it.
        path: the JSON file.
        warning: which newer states could not be used and why; empty where there were none.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    path: Path
    warning: str = ""


class Folder:
    """The states of one run.

    Args:
        path: made as needed.
        identity: what makes the run what it is, flat; states of another run are refused.

    Raises:
        CheckpointError: the folder cannot be made.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.identity = json.loads(json.dumps(identity))
        self.good: list[int] = []  # states that this run has read or written, oldest first
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"cannot keep states in {path}: {error.strerror}") from error

    def clean(self) -> None:
        """Remove what killed runs have left half written."""
        whole = {f"state-{n}" for n in self._numbers()}
        for stray in [*self.path.glob(".state-*.part"), *self.path.glob("state-*.safetensors")]:
            if stray.stem not in whole:
                stray.unlink(missing_ok=True)

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
        """Write a state; those before the last one go.

        Raises:
            CheckpointError: it cannot be written. The states before it stay as they were.
        """
        from safetensors.torch import save

        number = max(self._numbers(), default=0) + 1
        data = save({name: _plain(tensor) for name, tensor in tensors.items()})
        sums = {"tensors": hashlib.sha256(data).hexdigest()}
        content = {"format": FORMAT, "identity": self.identity, "sha256": sums, **facts}
        sums["facts"] = _digest(content)
        path = self._json(number)
        try:
            write_atomically(self._tensors(number), data)
            write_atomically(path, json.dumps(content))
            _sync(self.path)
        except (MediaError, OSError) as error:
            self._remove(number)
            raise CheckpointError(
                f"the state of the training cannot be saved: {error}. Training stopped; "
                f"run again to go on from the last state in {self.path}"
            ) from error
        self.good = [*self.good, number][-KEPT:]
        for old in self._numbers():
            if old not in self.good:
                self._remove(old)
        return path

    def load(self) -> State | None:
        """The newest state that is whole; None when there is none at all.

        Raises:
            CheckpointError: the newest whole state is of another run or a newer format, or
                states are there and all of them are damaged. Names the files and what is wrong.
        """
        troubles: list[str] = []
        for number in sorted(self._numbers(), reverse=True):
            try:
                tensors, facts = self._read(number)
            except _Damaged as error:
                troubles.append(str(error))
                continue
            self._check(number, facts)
            self.good = [number]
            warning = ""
            if troubles:
                warning = f"{'; '.join(troubles)}; going on from {self._json(number).name} instead"
            return State(tensors, facts, self._json(number), warning)
        if troubles:
            raise CheckpointError(
                f"no state in {self.path} can be used: {'; '.join(troubles)}; "
                f"remove the folder to train from the start"
            )
        return None

    def _read(self, number: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
        from safetensors.torch import load

        path, beside = self._json(number), self._tensors(number)
        try:
            facts = json.loads(path.read_bytes())
            sums = facts["sha256"]
            told = sums.pop("facts")
            if told != _digest(facts):
                raise _Damaged(f"{path} is damaged: its sha256.facts is not that of its content")
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise _Damaged(f"{path} is damaged: {error}") from error
        try:
            data = beside.read_bytes()
        except OSError as error:
            raise _Damaged(f"{beside} cannot be read: {error.strerror}") from error
        found = hashlib.sha256(data).hexdigest()
        if found != sums["tensors"]:
            raise _Damaged(
                f"{beside} is damaged: {len(data)} bytes, whose sha256 is not the "
                f"sha256.tensors of {path.name}"
            )
        return load(data), facts

    def _check(self, number: int, facts: Mapping[str, Any]) -> None:
        path = self._json(number)
        if facts["format"] != FORMAT:
            raise CheckpointError(
                f"{path}: format is {facts['format']}, and this version of transmodal reads "
                f"{FORMAT}; install the version that wrote it, or choose another folder"
            )
        for key, there, here in differences(facts["identity"], self.identity):
            raise CheckpointError(
                f"{path} belongs to another training: {key} is {there} there and {here} here; "
                f"choose another folder, or delete {self.path} to begin anew"
            )

    def _numbers(self) -> list[int]:
        matches = [NAME.fullmatch(path.name) for path in self.path.glob("state-*.json")]
        return sorted(int(match[1]) for match in matches if match)

    def _json(self, number: int) -> Path:
        return self.path / f"state-{number}.json"

    def _tensors(self, number: int) -> Path:
        return self.path / f"state-{number}.safetensors"

    def _remove(self, number: int) -> None:
        with contextlib.suppress(OSError):
            self._json(number).unlink(missing_ok=True)
            self._tensors(number).unlink(missing_ok=True)


class _Damaged(Exception):
    """A state is not what was written."""


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _plain(tensor: Tensor) -> Tensor:
    """The values alone: contiguous, on the CPU, sharing memory with nothing else."""
    plain = tensor.detach().cpu().contiguous()
    return plain if plain.untyped_storage().nbytes() == plain.nbytes else plain.clone()


def _sync(folder: Path) -> None:
    """Make renames within the folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What two trainings differ in: the key, and either's value in words."""
    for key in sorted({*one, *other}):
        if one.get(key) != other.get(key):
            yield key, *_apart(one.get(key), other.get(key))


def _apart(one: Any, other: Any) -> tuple[str, str]:
    """Two values in words; of two objects with many settings, only what differs."""
    if not (isinstance(one, str) and isinstance(other, str) and "(" in one and "(" in other):
        return repr(one), repr(other)
    parts = [_settings(text) for text in (one, other)]
    first, second = (
        ", ".join(part for part in mine if part not in theirs)
        for mine, theirs in (parts, parts[::-1])
    )
    return first or "without it", second or "without it"


def _settings(text: str) -> list[str]:
    """``Name(a=1, b=(2, 3))`` -> its name and settings, in words."""
    name, _, inside = text.removesuffix(")").partition("(")
    parts, depth = [""], 0
    for character in inside:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [name, *(part.strip() for part in parts)]
