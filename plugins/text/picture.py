"""A text as a picture one can look at."""

from __future__ import annotations

import textwrap

import numpy as np
import torch
from torch import Tensor

COLUMNS, ROWS = 40, 8  # characters in a line, and lines at most
SIZE = 16  # of the font, in pixels


def text_picture(text: str) -> Tensor:
    """Dark letters on white ``[3 h w]`` in [0, 1]; what is past the last row is left out.

    Pillow's own font has no letters for many scripts; it shows boxes for those.
    """
    from PIL import Image, ImageDraw, ImageFont

    lines = [line for part in text.split("\n") for line in textwrap.wrap(part, COLUMNS) or [""]]
    shown = "\n".join([*lines[:ROWS], *(["..."] if len(lines) > ROWS else [])])
    font = ImageFont.load_default(SIZE)
    ruler = ImageDraw.Draw(Image.new("L", (1, 1)))
    _, _, right, bottom = ruler.multiline_textbbox((8, 8), shown, font=font)
    picture = Image.new("L", (max(64, int(right) + 8), max(32, int(bottom) + 8)), 255)
    ImageDraw.Draw(picture).multiline_text((8, 8), shown, fill=20, font=font)
    grey = torch.from_numpy(np.asarray(picture).copy()).float() / 255
    return grey.expand(3, -1, -1).contiguous()
