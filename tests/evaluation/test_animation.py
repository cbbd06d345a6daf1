import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from transmodal.core import Preview
from transmodal.core.errors import DataError, MediaError
from transmodal.core.evaluation.animation import (
    frames,
    gif,
    joined,
    save_animation,
    save_sounds,
)


def grey(h: int, w: int, seed: int) -> Tensor:
    levels = torch.randint(0, 256, (1, h, w), generator=torch.Generator().manual_seed(seed))
    return (levels / 255).expand(3, -1, -1)


def decoded(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)


def test_an_animation_keeps_frames_time_and_loop() -> None:
    pictures = [grey(12, 30, seed) for seed in range(5)]
    image = Image.open(io.BytesIO(gif(pictures, seconds=0.2)))
    assert image.info["loop"] == 0  # for ever
    found = [(frame.info["duration"], decoded(frame)) for frame in ImageSequence.Iterator(image)]
    assert [milliseconds for milliseconds, _ in found] == [200] * 5
    for (_, shown), picture in zip(found, pictures, strict=True):
        assert torch.equal(shown, (picture * 255).round().to(torch.uint8))


def test_few_colours_are_kept_and_many_are_near() -> None:
    few = [torch.rand(3, 4, 4), torch.rand(3, 4, 4)]
    many = [torch.linspace(0, 1, 3 * 40 * 40).view(3, 40, 40).roll(k, 2) for k in (0, 9)]
    for pictures, far in ((few, 0), (many, 0.06)):
        image = Image.open(io.BytesIO(gif(pictures)))
        for frame, picture in zip(ImageSequence.Iterator(image), pictures, strict=True):
            error = decoded(frame).float() - (picture * 255).round()
            assert error.abs().mean() <= far * 255


def test_equal_pictures_in_a_row_are_one_longer_frame() -> None:
    a, b = grey(4, 4, 0), grey(4, 4, 1)
    image = Image.open(io.BytesIO(gif([a, a, b], seconds=0.1)))
    assert [f.info["duration"] for f in ImageSequence.Iterator(image)] == [200, 100]


def test_frames_are_of_one_size_and_hold_their_step() -> None:
    steps = [[Preview(grey(8, 8, k)), Preview(grey(8, 9 + k, k))] for k in range(3)]
    made = frames(steps, gap=1)
    assert {tuple(frame.shape) for frame in made} == {(3, 10, 2 * (11 + 2))}
    for frame, (one, _) in zip(made, steps, strict=True):
        assert torch.equal(frame[:, 1:9, 2:10], one.picture)


def test_sounds_are_joined_with_short_gaps(tmp_path: Path) -> None:
    tones = [torch.full((n,), level) for n, level in ((10, 0.5), (20, -0.25), (5, 1.0))]
    previews = [Preview(torch.zeros(3, 2, 2), tone, 1000) for tone in tones]
    sound, rate = joined(previews, gap=0.003)
    quiet = torch.zeros(3)
    assert rate == 1000
    assert torch.equal(sound, torch.cat([tones[0], quiet, tones[1], quiet, tones[2]]))
    save_sounds(previews, tmp_path / "new" / "all.wav", gap=0.003)
    found, rate = soundfile.read(tmp_path / "new" / "all.wav", dtype="float32")
    assert rate == 1000
    assert np.abs(found - sound.numpy()).max() < 5e-5  # 16 bits


def test_what_is_no_animation_or_sound_is_refused(tmp_path: Path) -> None:
    a, b = grey(4, 4, 0), grey(4, 5, 0)
    with pytest.raises(DataError, match="two or more pictures of one size.* not 1 of the sizes"):
        gif([a])
    with pytest.raises(DataError, match=r"2 of the sizes \[\(3, 4, 4\), \(3, 4, 5\)\] for 0.15 s"):
        gif([a, b])
    with pytest.raises(DataError, match="for 0.001 s"):
        gif([a, a], seconds=0.001)
    with pytest.raises(DataError, match=r"a picture is \[3 h w\]"):
        gif([a[:1], a[:1]])
    with pytest.raises(DataError, match="as many previews each, not none"):
        frames([])
    with pytest.raises(DataError, match=r"as many previews each, not \[1, 2\]"):
        frames([[Preview(a)], [Preview(a), Preview(a)]])
    heard, mute = Preview(a, torch.zeros(4), 8000), Preview(a)
    other = Preview(a, torch.zeros(4), 4000)
    for previews, words in (
        ([], "of 0 items 0 can be heard, at no rate"),
        ([heard, mute], "of 2 items 1 can be heard, at 8000 Hz"),
        ([heard, other], "of 2 items 2 can be heard, at 4000 Hz, 8000 Hz"),
    ):
        with pytest.raises(DataError, match=words):
            joined(previews)
    with pytest.raises(MediaError, match=r"saved as \.gif, not as a\.png"):
        save_animation([a, a], tmp_path / "a.png")
    with pytest.raises(MediaError, match=r"saved as \.wav, not as a\.mp3"):
        save_sounds([heard], tmp_path / "a.mp3")
    assert not list(tmp_path.iterdir())
