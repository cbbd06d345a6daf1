"""Items with alpha, and Pillow's pictures: what files of the same pixels would give."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from transmodal.core.errors import DataError
from transmodal.plugins.image.modality import Image

CHANNELS = pytest.mark.parametrize("channels", [1, 3])
RANDOM = np.random.default_rng(0)


@CHANNELS
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("background", [0.0, 0.3, 1.0])
def test_alpha_is_laid_over_the_background(channels: int, colours: int, background: float) -> None:
    """``alpha * colour + (1 - alpha) * background``, by hand; 601 makes grey of it."""
    pixels = RANDOM.random((colours + 1, 9, 8))
    image = Image((9, 8), channels, background=background)
    colour, alpha = np.broadcast_to(pixels[:-1], (3, 9, 8)), pixels[-1]
    wanted = alpha * colour + (1 - alpha) * background
    if channels == 1:
        wanted = (0.299 * wanted[0] + 0.587 * wanted[1] + 0.114 * wanted[2])[None]
    forms: list[Any] = [pixels, pixels.transpose(1, 2, 0), torch.from_numpy(pixels).float()]
    for made in image.collate(forms).values:
        assert np.allclose(made.numpy(), wanted, atol=1e-6)
    eight_bit = np.round(pixels * 255).astype(np.uint8)
    for made in image.collate([eight_bit, eight_bit.transpose(1, 2, 0)]).values:
        assert np.allclose(made.numpy(), wanted, atol=2.5 / 255)  # twice rounded, and alpha's own


@CHANNELS
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_eight_bits_with_alpha_are_what_their_file_gives(
    tmp_path: Path, channels: int, mode: str
) -> None:
    pixels = RANDOM.integers(0, 256, (9, 8, len(mode) if mode == "LA" else 4)).astype(np.uint8)
    picture = Pillow.fromarray(pixels)
    assert picture.mode == mode
    picture.save(tmp_path / "a.png")
    image = Image((9, 8), channels, background=0.3)
    wanted = image.read(tmp_path / "a.png")
    for made in image.collate([pixels, pixels.transpose(2, 0, 1), picture]).values:
        assert torch.equal(made, wanted)


@CHANNELS
@pytest.mark.parametrize(
    "mode",
    ["1", "L", "RGB", "P", "PA", "CMYK", "transparent palette", "transparent colour"],
)
def test_pictures_of_pillow_are_what_they_show(tmp_path: Path, channels: int, mode: str) -> None:
    picture = Pillow.fromarray(RANDOM.integers(0, 2, (8, 8, 3)).astype(np.uint8) * 255)
    if mode == "PA":
        picture = picture.convert("P").convert("PA")
    elif mode == "transparent colour":
        picture.info["transparency"] = (0, 0, 255)
    else:
        picture = picture.convert("P" if "palette" in mode else mode)
    if mode == "transparent palette":
        picture.info["transparency"] = 0
    file = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    (picture.convert("RGBA") if mode == "PA" else picture).save(file)
    image = Image(8, channels, background=0.6)
    assert torch.equal(image.collate([picture]).values[0], image.read(file))


def test_plain_pictures_of_pillow_are_their_arrays() -> None:
    grey = RANDOM.integers(0, 256, (8, 8)).astype(np.uint8)
    made = Image(8).collate([Pillow.fromarray(grey), Pillow.fromarray(grey > 127)]).values
    assert np.array_equal(made[:, 0].numpy(), [grey.astype(np.float32) / 255, grey > 127])


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (torch.full((4, 8, 8), math.nan), "item 1 has pixels that are NaN or infinite"),
        (torch.tensor([9.0, 0.0]).view(2, 1, 1).expand(2, 8, 8), r"item 1 has pixels in \[0, 9\]"),
        (torch.tensor([0.5, 2.0]).view(2, 1, 1).expand(2, 8, 8), r"pixels in \[0.5, 2\]; scale"),
        (torch.zeros(4, 8, 9), r"item 1 has shape \(4, 8, 9\), not \(1, 8, 8\) \(c, h, w\), nor"),
        (torch.zeros(5, 8, 8), r"item 1 has shape \(5, 8, 8\).* nor 2 or 4 channels, the last"),
        (torch.zeros(4, 8, 8, dtype=torch.int64), "item 1 is torch.int64; give uint8"),
        (Pillow.new("RGBA", (8, 9)), r"item 1 has shape \(9, 8\)"),
        (Pillow.new("La", (8, 8)), "item 1 is a picture of mode 'La' .*; convert it to RGB"),
    ],
)
def test_what_is_no_picture_with_alpha_is_refused(bad: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Image(8).collate([torch.zeros(1, 8, 8), bad])
