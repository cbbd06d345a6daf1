import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from torch import Tensor

from transmodal.core import Preview
from transmodal.core.errors import DataError, MediaError
from transmodal.core.evaluation.pictures import data_uri, grid, png, save_picture, wav


def picture(h: int, w: int, seed: int = 0) -> Tensor:
    levels = torch.randint(0, 256, (3, h, w), generator=torch.Generator().manual_seed(seed))
    return levels / 255


def decoded(content: bytes) -> Tensor:
    return torch.from_numpy(np.asarray(Image.open(io.BytesIO(content))).copy()).permute(2, 0, 1)


def test_a_picture_survives_png() -> None:
    original = picture(5, 7)
    assert torch.equal(decoded(png(original)), (original * 255).round().to(torch.uint8))


def test_values_outside_the_range_are_cut() -> None:
    made = decoded(png(torch.tensor([-1.0, 0.5, 2.0])[:, None, None]))
    assert made.flatten().tolist() == [0, 128, 255]


def test_a_sound_survives_wav() -> None:
    sound = torch.linspace(-1, 1, 801)
    found, rate = soundfile.read(io.BytesIO(wav(sound, 8000)), dtype="float32")
    assert rate == 8000
    # 16 bits: half a step of 1/32767, and soundfile divides by 32768
    assert np.abs(found - sound.numpy()).max() < 5e-5


def test_a_data_uri_decodes_to_the_same_bytes() -> None:
    head, body = data_uri(b"\x00\xffabc", "image/png").split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == b"\x00\xffabc"


def test_a_grid_enlarges_by_whole_factors_and_centres() -> None:
    small, large = picture(2, 2), picture(4, 9, seed=1)
    made = grid([Preview(large), Preview(small), Preview(large)], columns=2, gap=1)
    assert made.shape == (3, 2 * (4 + 2), 2 * (9 + 2))
    assert torch.equal(made[:, 1:5, 1:10], large)
    enlarged = small.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(made[:, 1:5, 11 + 1 + 2 : 11 + 1 + 6], enlarged)
    assert bool((made[:, 6:, 11:] == 1).all())  # the empty cell is white


def test_a_picture_is_saved(tmp_path: Path) -> None:
    save_picture(picture(3, 4), tmp_path / "new" / "grid.png")
    assert Image.open(tmp_path / "new" / "grid.png").size == (4, 3)


def test_what_is_no_picture_or_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a picture is \[3 h w\] .* not shape \[1, 4, 4\]"):
        png(torch.zeros(1, 4, 4))
    with pytest.raises(DataError, match="not 0 in 3 columns"):
        grid([], 3)
    with pytest.raises(DataError, match="not 1 in 0 columns"):
        grid([Preview(picture(2, 2))], 0)
    for sound, rate in (
        (torch.zeros(2, 5), 8000),
        (torch.zeros(0), 8000),
        (torch.tensor([torch.nan]), 8000),
        (torch.zeros(5), 0),
    ):
        with pytest.raises(DataError, match=r"a sound is finite amplitudes \[t\]"):
            wav(sound, rate)
    with pytest.raises(MediaError, match=r"saved as \.png, not as grid\.jpg"):
        save_picture(picture(2, 2), tmp_path / "grid.jpg")


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(MediaError, match=r"cannot write .*grid\.png.* choose another folder"):
        save_picture(picture(2, 2), tmp_path / "taken" / "grid.png")
    assert (tmp_path / "taken").read_text() == "a file, not a folder"


def test_a_write_that_breaks_half_way_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_picture(picture(2, 2), tmp_path / "grid.png")
    before = (tmp_path / "grid.png").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MediaError, match="No space left on device; free some space"):
        save_picture(picture(9, 9), tmp_path / "grid.png")
    assert [f.name for f in tmp_path.iterdir()] == ["grid.png"]
    assert (tmp_path / "grid.png").read_bytes() == before
