"""The raster: drawing and reading a curve, and the cosines that thin it out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from transmodal.plugins.audio.metrics import stft_distance
from transmodal.plugins.audio.raster import Raster

RASTER = Raster(512, 128, 64, 1.0)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@settings(max_examples=40, deadline=None)
@given(
    bins=st.integers(16, 128),
    share=st.floats(0, 1),
    values=st.lists(st.floats(-1, 1), min_size=1, max_size=30),
)
def test_a_curve_is_read_back_to_a_fraction_of_a_bin(
    bins: int, share: float, values: list[float]
) -> None:
    spread = 0.5 + share * (bins / 16 - 0.5)
    points = torch.tensor([values])
    raster = Raster(len(values), len(values), bins, spread)
    drawn = raster.draw(points)
    assert drawn.shape == (1, 1, bins, len(values))
    assert 0 <= drawn.min() <= drawn.max() <= 1
    worst = (raster.trace(drawn) - points).abs().max() / 2
    # a narrow bump feels where it falls between two rows
    assert worst * bins < (2e-3 if spread >= 1 else 0.25)


def test_high_is_up_and_a_bump_stands_where_its_sample_is() -> None:
    drawn = RASTER.draw(torch.tensor([[1.0, 0.0, -1.0]]))[0, 0]
    assert drawn.argmax(0)[[0, 2]].tolist() == [3, 60]  # three spreads from either edge
    assert drawn[31, 1] == pytest.approx(drawn[32, 1].item())  # 0 is between two rows
    i = np.arange(64)
    assert np.allclose(drawn[:, 0], np.exp(-((i - 3) ** 2) / 2), atol=1e-6)
    # an amplitude of 0.5 lies a quarter of the way from +1 to -1
    quarter = RASTER.draw(torch.tensor([[0.5]]))[0, 0, :, 0].double()
    assert (quarter * torch.arange(64)).sum() / quarter.sum() == pytest.approx(3 + 57 / 4)


@pytest.mark.parametrize("grey", [0.003, 0.01])
def test_a_faint_grey_hardly_moves_the_curve(grey: float) -> None:
    points = noise(1, 128)
    assert (RASTER.trace(RASTER.draw(points) + grey) - points).abs().max() / 2 < 1 / 64
    assert RASTER.trace(torch.full((1, 1, 64, 128), grey)).abs().max() < 1e-6


def test_black_is_silence_and_reading_is_differentiable() -> None:
    assert (RASTER.trace(torch.zeros(2, 1, 64, 128)) == 0).all()
    black = torch.zeros(1, 1, 64, 128, requires_grad=True)
    RASTER.trace(black).sum().backward()
    assert black.grad is not None
    assert black.grad.isfinite().all()
    drawn = RASTER.draw(noise(1, 128)).requires_grad_()
    RASTER.trace(drawn).square().sum().backward()
    assert drawn.grad is not None
    assert drawn.grad.abs().sum() > 0


@pytest.mark.parametrize(("samples", "points"), [(512, 128), (300, 77), (128, 128)])
def test_thinning_is_scipys_cosines_and_its_own_inverse(samples: int, points: int) -> None:
    raster = Raster(samples, points, 64, 1.0)
    waves = noise(3, samples).numpy()
    low = fft.dct(waves, norm="ortho")[:, :points] * np.sqrt(points / samples)
    few = raster.reduce(torch.from_numpy(waves))
    assert np.allclose(few, fft.idct(low, norm="ortho"), atol=1e-5)
    again = raster.reduce(raster.expand(few))
    assert torch.allclose(again, few, atol=1e-5)
    assert torch.allclose(raster.expand(torch.ones(1, points)), torch.ones(1, samples), atol=1e-4)


def test_what_is_too_fast_for_the_points_goes_and_what_is_slow_stays() -> None:
    time = torch.arange(512) / 16000
    slow, fast = (torch.sin(2 * torch.pi * hertz * time)[None] for hertz in (500.0, 5000.0))
    # the instants of the points are the middles of four samples
    wanted = torch.sin(2 * torch.pi * 500 * (torch.arange(128) * 4 + 1.5) / 16000)
    assert (RASTER.reduce(slow)[0] - wanted)[8:-8].abs().max() < 0.02
    assert RASTER.reduce(fast).square().mean() < 0.01 * fast.square().mean()


def test_a_move_shifts_the_curve_and_lowers_it() -> None:
    points = noise(2, 128, seed=3)
    shift, decibels = torch.tensor([5 / 128, -5 / 128]), torch.tensor([3.0, -3.0])
    moved = RASTER.trace(RASTER.move(RASTER.draw(points), shift, decibels))
    wanted, close = points * 10 ** (-3 / 20), 2e-2  # a third of a bin
    assert torch.allclose(moved[0, 5:], wanted[0, :-5], atol=close)
    assert torch.allclose(moved[0, :5], wanted[0, :5].flip(0), atol=close)  # mirrored
    assert torch.allclose(moved[1, :-5], wanted[1, 5:], atol=close)
    assert torch.allclose(moved[1, -5:], wanted[1, -5:].flip(0), atol=close)


def test_a_move_is_of_pixels_and_hides_no_flaw() -> None:
    """Every picture moves alike, a curve or not: numpy's interpolation of each column."""
    picture = noise(2, 1, 64, 128, seed=4).abs()
    made = RASTER.move(picture, torch.tensor([3 / 128, 0.0]), torch.tensor([2.0, 0.0]))
    assert torch.equal(made[1], picture[1])
    rows, gain = np.arange(64.0), 10 ** (-2 / 20)
    source = (rows - 31.5) / gain + 31.5
    for column in (10, 64, 127):
        whole = np.concatenate([[0.0], picture[0, 0, :, column - 3].numpy(), [0.0]])
        wanted = np.interp(source, np.arange(-1.0, 65.0), whole)
        np.testing.assert_allclose(made[0, 0, :, column], wanted, atol=1e-5)
    leaf = torch.zeros(1, 1, 64, 128, requires_grad=True)
    RASTER.move(leaf, torch.zeros(1), torch.zeros(1)).sum().backward()
    assert leaf.grad is not None and torch.equal(leaf.grad, torch.ones_like(leaf))


def test_the_stft_distance_against_scipys() -> None:
    from scipy.signal import get_window

    made, real = noise(2, 64, seed=1), noise(2, 64, seed=2)
    wanted = []
    for length in (32, 16, 8):
        window = get_window("hann", length)
        pair = []
        for x in (made.numpy(), real.numpy()):
            padded = np.pad(x, ((0, 0), (length // 2,) * 2), mode="reflect")
            frames = np.lib.stride_tricks.sliding_window_view(padded, length, axis=1)
            pair.append(np.abs(np.fft.rfft(frames[:, :: length // 4] * window)) / window.sum())
        a, b = pair
        norms = [np.linalg.norm(x.reshape(2, -1), axis=1) for x in (a - b, b)]
        a, b = np.maximum(a, 1e-3), np.maximum(b, 1e-3)
        wanted.append((norms[0] / norms[1]).mean() + np.abs(np.log(a) - np.log(b)).mean())
    assert stft_distance(made, real) == pytest.approx(np.mean(wanted), rel=1e-4)
    assert stft_distance(real, real) == 0
    assert stft_distance(-real, real) == pytest.approx(0, abs=1e-6)  # hears no polarity


def test_windows_grow_no_longer_than_those_of_speech() -> None:
    torch.manual_seed(0)
    real = torch.randn(1, 20000)
    made = real.clone()
    made[:, :9000] = 0
    lengths: list[int] = []

    def counted(x: torch.Tensor, length: int, *rest: object, **named: object) -> torch.Tensor:
        lengths.append(length)
        return stft(x, length, *rest, **named)  # type: ignore[arg-type]

    stft = torch.stft
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "stft", counted)
        assert stft_distance(made, real) > 0.3
    assert sorted(set(lengths)) == [512, 1024, 2048]
