"""Pictures in files: exact round trips, fitting, and every kind of bad file."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from transmodal.core.errors import MediaError
from transmodal.plugins.image import files
from transmodal.plugins.image.modality import Image


@pytest.mark.parametrize(("size", "channels"), [(28, 1), ((9, 20), 1), ((33, 8), 3)])
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_a_round_trip_through_a_lossless_file_is_exact(
    tmp_path: Path, size: int | tuple[int, int], channels: int, suffix: str
) -> None:
    image = Image(size, channels)
    pixels = torch.randint(0, 256, (channels, *image.size), generator=torch.manual_seed(0))
    item = pixels.float() / 255
    image.write(item, tmp_path / f"a{suffix}")
    assert torch.equal(image.read(tmp_path / f"a{suffix}"), item)


def test_reading_keeps_the_aspect_and_centres_on_the_background(tmp_path: Path) -> None:
    Pillow.new("L", (40, 20), 200).save(tmp_path / "wide.png")
    item = Image(20, background=0.0).read(tmp_path / "wide.png")
    assert torch.equal(item[0, :5], torch.zeros(5, 20))
    assert torch.equal(item[0, 15:], torch.zeros(5, 20))
    assert torch.allclose(item[0, 5:15], torch.full((10, 20), 200 / 255))


@pytest.mark.parametrize("size", [(56, 1), (1, 56), (1000, 17), (400, 3)])
def test_something_is_left_of_the_thinnest_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    Pillow.new("L", size, 0).save(tmp_path / "thin.png")
    item = Image(28, background=1.0).read(tmp_path / "thin.png")
    dark = item[0] < 0.5
    assert sorted([int(dark.any(0).sum()), int(dark.any(1).sum())]) == [1, 28]


def test_shrinking_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Pillow.fromarray(stripes).save(tmp_path / "stripes.png")
    item = Image(16).read(tmp_path / "stripes.png")
    assert (item - 0.5).abs().max() < 0.1  # taking every fourth column would give 0 or 1


def test_transparency_is_laid_over_the_background(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[:4] = (255, 0, 0, 255)
    picture[4:] = (255, 0, 0, 51)  # one fifth
    Pillow.fromarray(picture).save(tmp_path / "a.png")
    item = Image(8, 3, background=1.0).read(tmp_path / "a.png")
    assert torch.equal(item[:, 0, 0], torch.tensor([1.0, 0.0, 0.0]))
    assert torch.allclose(item[:, 7, 7], torch.tensor([1.0, 0.8, 0.8]), atol=1 / 255)
    item = Image(8, 3, background=0.0).read(tmp_path / "a.png")
    assert torch.allclose(item[:, 7, 7], torch.tensor([0.2, 0.0, 0.0]), atol=1 / 255)


def test_sixteen_bits_of_grey_keep_their_range(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Pillow.fromarray(ramp).save(tmp_path / "deep.png")
    item = Image(8).read(tmp_path / "deep.png")
    assert np.allclose(item[0].numpy(), ramp / 65535, atol=1 / 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_common_mode_is_read(tmp_path: Path, mode: str) -> None:
    suffix = ".tif" if mode == "CMYK" else ".png"
    Pillow.new("RGB", (8, 8), (255, 255, 255)).convert(mode).save(tmp_path / f"a{suffix}")
    item = Image(8, 3).read(tmp_path / f"a{suffix}")
    assert torch.equal(item, torch.ones(3, 8, 8))


def test_the_exif_turn_is_obeyed(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4] = 255  # white above black
    exif = Pillow.Exif()
    exif[0x0112] = 3  # upside down
    Pillow.fromarray(picture).save(tmp_path / "a.jpg", exif=exif, quality=95)
    item = Image(8).read(tmp_path / "a.jpg")
    assert item[0, :3].max() < 0.1
    assert item[0, 5:].min() > 0.9


def _png() -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32)).astype(np.uint8)
    Pillow.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def _bomb() -> bytes:
    """A PNG of a few kilobytes that says it holds 100,000 x 100,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a readable picture"),
        (b"this is text\n" * 50, "not a readable picture"),
        (_png()[:200], "not a readable picture"),
        (_png()[:-100], "not a readable picture"),
        (_png().replace(b"IDAT", b"IDAX"), "not a readable picture"),
        (_bomb(), "100000 x 100000 pixels|decompression bomb"),
    ],
    ids=["empty", "text", "cut", "tail cut", "no data", "bomb"],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(MediaError, match=rf"bad\.png: .*({says})"):
        Image().read(tmp_path / "bad.png")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"none\.png: no such file"):
        Image().read(tmp_path / "none.png")
    with pytest.raises(MediaError, match="no such file"):
        Image().read(tmp_path)


def test_the_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Pillow.new("L", (40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(files, "MAX_PIXELS", 1599)
    with pytest.raises(MediaError, match=r"a\.png: 40 x 40 pixels, more than the limit 1,599"):
        Image().read(tmp_path / "a.png")
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    with pytest.raises(MediaError, match=r"a\.png: .* bytes, more than the limit of 10"):
        Image().read(tmp_path / "a.png")


def test_pixels_of_unknown_range_are_refused(tmp_path: Path) -> None:
    Pillow.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(MediaError, match=r"a\.tif: pixels are floats of unknown range"):
        Image(8).read(tmp_path / "a.tif")


def test_files_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.wav: a picture is written as one of \.png"):
        Image(8).write(torch.zeros(1, 8, 8), tmp_path / "a.wav")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(MediaError, match=r"cannot write .*a\.png: .*choose another folder"):
        Image(8).write(torch.zeros(1, 8, 8), tmp_path / "file" / "a.png")
