"""Files of a work folder: values and weights, which a full disk or a hand may have damaged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from transmodal.core.atomic import write_atomically
from transmodal.core.errors import CheckpointError


def file_sum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        found: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); delete it and run again") from error
    return found


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name.

    Raises:
        CheckpointError: it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); delete it and run again") from error


def write_weights(path: Path, net: nn.Module) -> None:
    """Put a net's state into a safetensors file."""
    from safetensors.torch import save

    write_atomically(path, save({k: v.contiguous() for k, v in net.state_dict().items()}))


def read_weights(path: Path, net: nn.Module) -> None:
    """Take a net's state out of a file that ``write_weights`` wrote.

    Raises:
        CheckpointError: the file is damaged, or of another net.
    """
    found = read_tensors(path)
    try:
        net.load_state_dict(found)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} is of another net than the recipe's ({type(net).__name__}); delete it, its "
            "state of training in states/ and what was measured of it in values/, or give another "
            "folder by --out"
        ) from error
