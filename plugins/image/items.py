"""Items as pictures: the forms they may have, and transparent ones on their background."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.arrays import to_tensor
from ...core.errors import DataError
from .files import laid

LUMA = (0.299, 0.587, 0.114)  # grey of RGB by ITU-R 601, as in files
CHANNELS = {"1": 1, "L": 1, "RGB": 3}  # of Pillow's modes
PLAIN = (*CHANNELS, "I", "I;16", "I;16L", "I;16B", "F")  # Pillow's arrays of what they show


def as_picture(
    item: Any, i: int, size: tuple[int, int], channels: int, background: float
) -> Tensor:
    """One item as float ``[c h w]``; where nothing is transparent, its values are not checked.

    Two channels are grey and alpha, four RGB and alpha, 0 being transparent: they are laid over
    the background, those of 8 bits as files are.

    Args:
        item: of any form that ``Image`` names.
        i: its position, for errors.
        size: (h, w).
        channels: c, 1 or 3.
        background: grey level in [0, 1].

    Raises:
        DataError: it is no picture of that size.
    """
    item = _shown(item, i, channels, background)
    picture = to_tensor(item, f"image: item {i} is no array of pixels")
    shape = tuple(picture.shape)
    if shape == size and channels == 1:
        picture = picture[None]
    elif shape[:2] == size and shape[2:] in ((channels,), (2,), (4,)):
        picture = picture.permute(2, 0, 1)
    if picture.shape[1:] != size or len(picture) not in (channels, 2, 4):
        raise DataError(
            f"image: item {i} has shape {shape}, not {(channels, *size)} (c, h, w), nor 2 or 4 "
            "channels, the last alpha; resize it, or set size and channels to what the data has"
        )
    eight_bit = picture.dtype == torch.uint8
    if not (eight_bit or picture.is_floating_point() or picture.dtype == torch.bool):
        raise DataError(
            f"image: item {i} is {picture.dtype}; give uint8 (0..255) or floats in [0, 1]"
        )
    if len(picture) in (1, 3):
        return picture.float() / 255 if eight_bit else picture.float()
    if eight_bit:
        return _opaque(picture, channels, background)
    return _blended(picture.float(), i, channels, background)


def _shown(item: Any, i: int, channels: int, background: float) -> Any:
    """A Pillow picture of a palette, with alpha or of other colours as files are; or the item."""
    from PIL import Image

    if not isinstance(item, Image.Image):
        return item
    plain = item.mode in PLAIN and not item.has_transparency_data
    if plain and CHANNELS.get(item.mode, channels) == channels:
        return item
    try:
        return laid(item.convert("RGBA"), channels, background)
    except ValueError as error:
        raise DataError(
            f"image: item {i} is a picture of mode {item.mode!r} ({error}); convert it to RGB"
        ) from error


def _opaque(picture: Tensor, channels: int, background: float) -> Tensor:
    """``[2 h w]`` or ``[4 h w]`` of uint8 as a file of these pixels would be read."""
    from PIL.Image import fromarray

    pixels = fromarray(np.ascontiguousarray(picture.permute(1, 2, 0).numpy())).convert("RGBA")
    values = torch.from_numpy(np.array(laid(pixels, channels, background), dtype=np.float32) / 255)
    return values[None] if channels == 1 else values.permute(2, 0, 1)


def _blended(picture: Tensor, i: int, channels: int, background: float) -> Tensor:
    """The same of numbers in [0, 1]: ``alpha * colour + (1 - alpha) * background``."""
    if not bool(((picture >= 0) & (picture <= 1)).all()):
        raise out_of_range(picture, i)
    colour, alpha = picture[:-1], picture[-1:]
    made = torch.lerp(torch.full_like(colour, background), colour, alpha)
    if channels == 1 and len(made) == 3:
        return torch.einsum("chw,c->hw", made, torch.tensor(LUMA))[None].clamp(0, 1)
    return made.expand(channels, -1, -1)


def out_of_range(pixels: Tensor, i: int) -> DataError:
    """What is said of an item with pixels that are not in [0, 1]."""
    found = "has pixels that are NaN or infinite"
    low, high = pixels.min().item(), pixels.max().item()
    if math.isfinite(low) and math.isfinite(high):
        found = f"has pixels in [{low:g}, {high:g}]"
    return DataError(f"image: item {i} {found}; scale them to [0, 1] or give uint8")
