"""Pictures in files, read and written by Pillow within limits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...core.atomic import write_atomically
from ...core.errors import MediaError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MAX_BYTES = 64 << 20  # of a file
MAX_PIXELS = 64_000_000  # of a picture, which a small file may unpack to
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}


def read_picture(path: Path, size: tuple[int, int], channels: int, background: float) -> Tensor:
    """A file's picture ``[c h w]`` in [0, 1], fitted into ``size`` = (h, w).

    The first frame, turned as its EXIF tag says, transparency laid over the background; grey
    is ITU-R 601 luma. The picture keeps its aspect: it is scaled, with antialiasing, until it
    just fits, and centred on the background; one pixel of a side at least is left of it.

    Raises:
        MediaError: no such file, larger than the limits, truncated, or no picture.
    """
    from PIL import Image, ImageOps

    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    if (weight := path.stat().st_size) > MAX_BYTES:
        raise MediaError(f"{path}: {weight:,} bytes, more than the limit of {MAX_BYTES:,}")
    try:
        with Image.open(path, formats=sorted(set(FORMATS.values()))) as image:
            w, h = image.size
            if w * h > MAX_PIXELS:
                raise MediaError(f"{path}: {w} x {h} pixels, more than the limit {MAX_PIXELS:,}")
            image.load()
            picture = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f"{path}: not a readable picture ({error})") from error
    picture = laid(_eight_bit(picture, path), channels, background)
    if picture.size != size[::-1]:
        grey = round(255 * background)
        fill = grey if channels == 1 else (grey, grey, grey)
        w, h = picture.size
        scale = min(size[1] / w, size[0] / h)
        if min(w, h) * scale <= 0.5:  # nothing of it would be left
            picture = picture.resize((max(1, round(w * scale)), max(1, round(h * scale))))
        picture = ImageOps.pad(picture, size[::-1], Image.Resampling.LANCZOS, fill)
    values = torch.from_numpy(np.array(picture, dtype=np.float32) / 255)
    return values[None] if channels == 1 else values.permute(2, 0, 1).contiguous()


def laid(picture: Picture, channels: int, background: float) -> Picture:
    """An RGBA picture over the background's grey: of mode RGB, or with one channel, L."""
    from PIL import Image

    grey = round(255 * background)
    paper = Image.new("RGBA", picture.size, (grey, grey, grey, 255))
    paper.alpha_composite(picture)
    return paper.convert("L" if channels == 1 else "RGB")


def _eight_bit(picture: Picture, path: Path) -> Picture:
    """The picture as RGBA of 8 bits; Pillow's own conversion would clip 16 bits of grey."""
    from PIL.Image import fromarray

    if picture.mode == "F":
        raise MediaError(f"{path}: pixels are floats of unknown range; save it with 8 or 16 bits")
    if picture.mode.startswith("I"):
        grey = np.array(picture).astype(np.float64) / 65535 * 255
        picture = fromarray(np.clip(np.round(grey), 0, 255).astype(np.uint8))
    return picture.convert("RGBA")


def write_picture(values: Tensor, path: Path) -> None:
    """Put ``[c h w]`` in [0, 1] into a file of 8 bits; the suffix says the format.

    Raises:
        MediaError: the suffix is of no picture format, or the file cannot be written.
    """
    from PIL import Image

    if path.suffix.lower() not in FORMATS:
        raise MediaError(f"{path}: a picture is written as one of {', '.join(FORMATS)}")
    pixels = (values.detach().float().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    array = pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(buffer, FORMATS[path.suffix.lower()])
    write_atomically(path, buffer.getvalue())
