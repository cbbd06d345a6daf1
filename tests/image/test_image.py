"""Image items and signals: collate and back, augmentation, likelihood, settings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from transmodal.core.errors import DataError, SettingError
from transmodal.core.signal import Signal
from transmodal.plugins.image.modality import Image
from transmodal.plugins.image.roughen import roughen

SIDE = st.integers(8, 256)


@settings(max_examples=20, deadline=None)
@given(h=SIDE, w=SIDE, channels=st.sampled_from([1, 3]), b=st.integers(1, 3))
def test_split_is_the_way_back_from_collate(h: int, w: int, channels: int, b: int) -> None:
    image = Image((h, w), channels)
    items = list(torch.rand(b, channels, h, w, generator=torch.Generator().manual_seed(h * w)))
    signal = image.collate(items)
    assert signal.values.shape == (b, channels, h, w)
    assert signal.lengths is None
    assert all(map(torch.equal, image.split(signal), items))


def test_every_form_of_an_item_gives_the_same_signal() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 10, 3)).astype(np.uint8)
    locked = pixels.copy()
    locked.setflags(write=False)
    image = Image((9, 10), 3)
    wanted = pixels.transpose(2, 0, 1).astype(np.float32) / 255
    forms = [pixels, locked, pixels.transpose(2, 0, 1), torch.from_numpy(pixels), wanted,
             wanted.astype(np.float64), wanted.tolist(), pixels[:, ::-1][:, ::-1]]  # fmt: skip
    for value in image.collate(forms).values:
        assert np.array_equal(value.numpy(), wanted)
    grey = Image((9, 10)).collate([pixels[..., 0], pixels[:, :, :1], pixels[..., 0] > 127])
    assert grey.values.shape == (3, 1, 9, 10)
    assert torch.equal(grey.values[0], grey.values[1])


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (torch.full((1, 8, 8), math.nan), "item 1 has pixels that are NaN or infinite"),
        (torch.full((1, 8, 8), math.inf), "item 1 has pixels that are NaN or infinite"),
        (torch.full((1, 8, 8), 16.0), r"item 1 has pixels in \[16, 16\]; scale them"),
        (torch.full((1, 8, 8), -0.1), r"item 1 has pixels in \[-0.1, -0.1\]"),
        (torch.zeros(3, 8, 8), r"item 1 has shape \(3, 8, 8\), not \(1, 8, 8\)"),
        (torch.zeros(1, 8, 9), r"item 1 has shape \(1, 8, 9\), not \(1, 8, 8\)"),
        (torch.zeros(1, 8, 8, dtype=torch.int64), "item 1 is torch.int64; give uint8"),
        ("a.png", r"item 1 is no array of pixels \(of a file, give pathlib\.Path"),
        ([[1.0], [1.0, 2.0]], "item 1 is no array of pixels"),
    ],
)
def test_bad_items_are_named_by_their_place(bad: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Image(8).collate([torch.zeros(1, 8, 8), bad])


def test_no_items_are_refused() -> None:
    with pytest.raises(DataError, match="no items to collate"):
        Image().collate([])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"size": 7}, "size must be a whole number >= 8 <= 256, not 7"),
        ({"size": (28, 300)}, "not 300"),
        ({"size": (28, 28, 1)}, r"size must be one number or \(h, w\)"),
        ({"size": 28.0}, r"size must be one number or \(h, w\), not 28.0"),
        ({"channels": 2}, "channels must be one of 1, 3, not 2"),
        ({"background": 255}, "background must be a number >= 0 <= 1"),
        ({"augmentation": -1}, "augmentation"),
        ({"std": 0}, "std"),
    ],
)
def test_wrong_settings_fail_at_construction(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        Image(**wrong)


def test_settings_make_its_twin() -> None:
    image = Image((9, 31), 3, background=0.5)
    twin = Image(**image.settings())
    assert repr(twin) == repr(image)
    assert repr(image).startswith("Image(size=(9, 31), channels=3, background=0.5")


@pytest.mark.parametrize("size", [28, (20, 41)])
def test_augment_is_a_function_of_its_generator(size: int | tuple[int, int]) -> None:
    image = Image(size)
    signal = Signal(torch.rand(4, 1, *image.size))
    first = image.augment(signal, torch.Generator().manual_seed(5)).values
    torch.manual_seed(99)  # the global generator has no say
    state = torch.get_rng_state()
    again = image.augment(signal, torch.Generator().manual_seed(5)).values
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, again)
    other = image.augment(signal, torch.Generator().manual_seed(6)).values
    assert not torch.allclose(first, other)
    assert first.shape == signal.values.shape
    assert first.min() >= 0
    assert first.max() <= 1
    with torch.autocast("cpu", torch.bfloat16):  # coordinates in bfloat16 would be off by 0.4 %
        amp = image.augment(signal, torch.Generator().manual_seed(5)).values
    assert torch.equal(first, amp)


def test_augment_turns_without_shearing_oblong_pictures() -> None:
    """A disc stays as round as it was when only turned and shifted."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(32.0), indexing="ij")
    disc = ((x - 15.5) ** 2 + (y - 31.5) ** 2 < 64).float()[None, None]
    image = Image((64, 32))
    made = image.augment(Signal(disc.repeat(200, 1, 1, 1)), torch.Generator().manual_seed(0))
    mass = made.values.sum((1, 2, 3))
    spread = [(made.values[:, 0].sum(i).gt(0.5).sum(1)).float() for i in (1, 2)]
    ratio = spread[0] / spread[1]
    assert ratio.min() > 0.7
    assert ratio.max() < 1.45
    assert (mass / disc.sum() - 1).abs().max() < 0.3
    centre = (made.values[:, 0].sum(2) @ torch.arange(64.0)) / mass - 31.5
    assert 2 < centre.abs().max() < 0.08 * 64 + 1  # up to 8 % of the height, plus rounding


def test_no_augmentation_changes_nothing() -> None:
    signal = Signal(torch.rand(2, 1, 28, 28))
    assert Image(augmentation=0).augment(signal, torch.Generator()) is signal


def test_reconstruction_is_the_normal_likelihood() -> None:
    made, real = torch.rand(3, 1, 9, 8), torch.rand(3, 1, 9, 8)
    nats = Image((9, 8)).reconstruction(Signal(made), Signal(real))
    constant = 72 * (0.5 * math.log(2 * math.pi) + math.log(0.1))
    logp = stats.norm(made.numpy(), 0.1).logpdf(real.numpy()).sum((1, 2, 3))
    assert np.allclose(nats.numpy() + constant, -logp, rtol=1e-5)


def test_metrics_against_arithmetic() -> None:
    made, real = Signal(torch.full((2, 1, 8, 8), 0.5)), Signal(torch.full((2, 1, 8, 8), 0.6))
    metrics = Image(8).metrics()
    assert metrics["mse"](made, real) == pytest.approx(0.01, rel=1e-5)
    assert metrics["psnr"](made, real) == pytest.approx(20, rel=1e-5)
    assert metrics["psnr"](made, made) == math.inf


def test_a_grey_preview_has_three_channels() -> None:
    item = torch.rand(1, 8, 8)
    preview = Image(8).preview(item)
    assert torch.equal(preview.picture, item.repeat(3, 1, 1))
    assert preview.sound is None


@pytest.mark.data
def test_real_digits_pass_through(data: Path) -> None:
    digits = np.load(data / "mnist" / "mnist.npz")["test_images"][:200]
    signal = Image().collate(digits)
    assert signal.values.shape == (200, 1, 28, 28)
    assert np.array_equal((signal.values[:, 0] * 255).round().byte().numpy(), digits)


def test_flipping_mirrors_about_half_and_changes_nothing_else():
    image = Image(augmentation=0, flip=True)
    signal = Signal(torch.rand(200, 1, 28, 28))
    made = image.augment(signal, torch.Generator().manual_seed(0)).values
    same = (made == signal.values).flatten(1).all(1)
    mirrored = (made == signal.values.flip(-1)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 70 < int(mirrored.sum()) < 130  # four standard deviations about 100
    again = image.augment(signal, torch.Generator().manual_seed(0)).values
    assert torch.equal(made, again)


def test_roughening_reads_nothing_back_from_the_pictures_device() -> None:
    pictures = torch.empty(3, 1, 12, 12, device="meta")  # numbers there cannot be read
    made = roughen(pictures, 1.0, torch.Generator().manual_seed(0))
    assert made.shape == pictures.shape and made.is_meta


@pytest.mark.parametrize(("hidden", "waist"), [(64, 1), (1024, 2)])
def test_a_waist_leaves_no_hidden_layer_to_be_set(hidden: int, waist: int) -> None:
    with pytest.raises(SettingError, match=f"hidden .{hidden}. has no use beside a waist"):
        Image(hidden=hidden, waist=waist)
    assert Image(hidden=0, waist=waist).hidden == 0
