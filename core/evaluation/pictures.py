"""Previews as PNG pictures, WAV sounds and data URIs."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..atomic import write_atomically
from ..errors import DataError, MediaError
from ..modality import Preview


def grid(previews: Sequence[Preview], columns: int, gap: int = 2) -> Tensor:
    """Pictures side by side on white, row by row: ``[3 h w]`` in [0, 1].

    Small pictures are enlarged by whole factors to about the size of the largest, so that
    pixels stay square and sharp, and all are centred in cells of one size.

    Args:
        previews: one or more.
        columns: pictures in a row, 1 or more.
        gap: white pixels around each.

    Raises:
        DataError: no previews, no columns, or a picture that is not ``[3 h w]``.
    """
    if not previews or columns < 1:
        raise DataError(
            f"a grid needs pictures and columns, not {len(previews)} in {columns} columns"
        )
    pictures = [checked(preview.picture) for preview in previews]
    height = max(picture.shape[1] for picture in pictures)
    width = max(picture.shape[2] for picture in pictures)
    pictures = [_enlarged(picture, height, width) for picture in pictures]
    height = max(picture.shape[1] for picture in pictures)
    width = max(picture.shape[2] for picture in pictures)
    cells = [_centred(picture, height + 2 * gap, width + 2 * gap) for picture in pictures]
    cells += [torch.ones_like(cells[0])] * (-len(cells) % columns)
    rows = [torch.cat(cells[i : i + columns], 2) for i in range(0, len(cells), columns)]
    return torch.cat(rows, 1)


def save_picture(picture: Tensor, path: Path) -> None:
    """Write a picture ``[3 h w]`` in [0, 1] as a PNG file.

    Raises:
        DataError: the picture has another shape.
        MediaError: the name does not end in .png, or the file cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise MediaError(f"a picture is saved as .png, not as {path.name}")
    write_atomically(path, png(picture))


def png(picture: Tensor) -> bytes:
    """A picture ``[3 h w]`` in [0, 1] as a PNG file's bytes, 8 bits a channel."""
    from PIL import Image

    pixels = (checked(picture).clamp(0, 1) * 255).round().to(torch.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).save(file, "PNG")
    return file.getvalue()


def wav(sound: Tensor, sample_rate: int) -> bytes:
    """Amplitudes ``[t]`` in [-1, 1] as a mono 16-bit WAV file's bytes.

    Raises:
        DataError: the sound is not one channel of finite values, or the rate is not positive.
    """
    if sound.ndim != 1 or not len(sound) or not bool(sound.isfinite().all()) or sample_rate < 1:
        raise DataError(
            f"a sound is finite amplitudes [t] at a rate in hertz, not shape "
            f"{list(sound.shape)} at {sample_rate}"
        )
    samples = (sound.detach().cpu().float().clamp(-1, 1) * 32767).round().to(torch.int16)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(samples.numpy().astype("<i2").tobytes())
    return file.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """A file's bytes as a ``data:`` address; ``kind`` is its media type, such as image/png."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def checked(picture: Tensor) -> Tensor:
    """A picture on the CPU in float32.

    Raises:
        DataError: it is not ``[3 h w]``.
    """
    if picture.ndim != 3 or picture.shape[0] != 3 or not picture.numel():
        raise DataError(f"a picture is [3 h w] in [0, 1], not shape {list(picture.shape)}")
    return picture.detach().cpu().float()


def _enlarged(picture: Tensor, height: int, width: int) -> Tensor:
    """By the whole factor that comes nearest to fitting ``height`` and ``width``."""
    factor = max(1, round(min(height / picture.shape[1], width / picture.shape[2])))
    return picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2)


def _centred(picture: Tensor, height: int, width: int) -> Tensor:
    top, left = (height - picture.shape[1]) // 2, (width - picture.shape[2]) // 2
    cell = torch.ones(3, height, width)
    cell[:, top : top + picture.shape[1], left : left + picture.shape[2]] = picture
    return cell
