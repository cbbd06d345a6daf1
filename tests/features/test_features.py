"""Features: items and files, standardisation, the ends, settings."""

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

from transmodal.core.code import Code
from transmodal.core.errors import DataError, MediaError, SettingError
from transmodal.core.signal import Signal
from transmodal.plugins.features.modality import Features


@settings(max_examples=20, deadline=None)
@given(v=st.integers(1, 300), b=st.integers(1, 4))
def test_split_is_the_way_back_from_collate(v: int, b: int) -> None:
    items = list(torch.randn(b, v, generator=torch.Generator().manual_seed(v)) * 100)
    signal = Features(v).collate(items)
    assert signal.values.shape == (b, v) and signal.lengths is None
    assert all(map(torch.equal, Features(v).split(signal), items))


def test_every_form_of_an_item_gives_the_same_signal() -> None:
    counts = np.array([3, 0, 7])
    forms = [counts, counts.astype(np.float64), counts.tolist(), torch.from_numpy(counts),
             counts[::-1][::-1], counts.astype(np.uint8)]  # fmt: skip
    for value in Features(3).collate(forms).values:
        assert value.tolist() == [3, 0, 7] and value.dtype == torch.float32


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (torch.tensor([1.0, math.nan]), "item 1 has numbers that are NaN or infinite; leave it"),
        (torch.tensor([1.0, math.inf]), "item 1 has numbers that are NaN or infinite"),
        (torch.zeros(3), r"item 1 has shape \(3,\), not \(2,\); set size"),
        (torch.zeros(1, 2), r"item 1 has shape \(1, 2\), not \(2,\)"),
        (torch.zeros(2, dtype=torch.complex64), "item 1 is complex"),
        ("a.npy", "item 1 is no array of numbers"),
    ],
)
def test_bad_items_are_named(bad: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Features(2).collate([torch.zeros(2), bad])


def test_no_items_is_an_error() -> None:
    with pytest.raises(DataError, match="no items to collate; give at least one"):
        Features(2).collate([])


# -- standardisation ------------------------------------------------------------------------


def test_training_vectors_are_standardised_as_scipy_does() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 3 + torch.arange(4.0)
    modality = Features.of(x.numpy())
    made = modality.prenet(4)(modality.collate(list(x))).vector
    np.testing.assert_allclose(made.numpy(), stats.zscore(x.numpy()), rtol=1e-4, atol=1e-5)
    back = modality.generator(4)(Code.of(made)).values
    torch.testing.assert_close(back, x)
    assert modality.vector == 4 and not list(modality.prenet(4).parameters())


def test_a_number_that_never_varies_is_left_finite() -> None:
    x = torch.tensor([[1.0, 5.0], [2.0, 5.0]])
    made = Features.of(x).prenet(2)(Signal(x)).vector
    assert made.tolist() == [[-1, 0], [1, 0]]


def test_the_example_in_the_docstring() -> None:
    made = Features.of(torch.tensor([[1.0, 5.0], [3.0, 5.5]]))
    assert repr(made) == "Features(size=2, mean=[2.0, 5.25], std=[1.0, 0.25])"


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros(3),
        torch.zeros(0, 2),
        torch.full((2, 2), math.nan),
        torch.ones(2, 2, dtype=torch.complex64),
        np.array([[1e39, 1], [-1e39, 2]]),  # too large for float32
    ],
)
def test_training_vectors_must_be_finite_rows(bad: Any) -> None:
    with pytest.raises(DataError, match=r"training vectors are a finite array \[m v\], not"):
        Features.of(bad)


def test_the_likelihood_is_a_normals() -> None:
    made, real = torch.randn(2, 5, 3).unbind()
    std = [0.5, 1.0, 2.0]
    got = Features(3, std=std).reconstruction(Signal(made), Signal(real))
    want = -stats.norm.logpdf(made.numpy(), real.numpy(), std).sum(1)
    flat = -stats.norm.logpdf(0, 0, std).sum()
    np.testing.assert_allclose(got.numpy(), want - flat, rtol=1e-5)


def test_metrics() -> None:
    a = Signal(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    b = Signal(torch.tensor([[0.0, 3.0], [0.0, 1.0]]))
    found = {name: metric(a, b) for name, metric in Features(2).metrics().items()}
    assert found == {"mse": pytest.approx((1 + 9 + 0 + 1) / 4), "cosine": pytest.approx(0.5)}


# -- the ends -------------------------------------------------------------------------------


def test_signals_of_another_width_are_refused() -> None:
    with pytest.raises(DataError, match=r"a signal of features is \[b 4\], not \(2, 3\)"):
        Features(4).prenet(8)(Signal(torch.zeros(2, 3)))


def test_in_float64_the_ends_fit_and_are_each_other_s_way_back() -> None:
    features, vectors = Features(5, mean=1.0, std=3.0), torch.randn(4, 5).double()
    for width in (5, 8):
        prenet, generator = features.prenet(width).double(), features.generator(width).double()
        made = generator(prenet(Signal(vectors))).values
        assert made.dtype == torch.float64
        if width == 5:
            torch.testing.assert_close(made, vectors, atol=1e-14, rtol=1e-14)


def test_joint_discriminators_see_all_signals() -> None:
    judge = Features(3).joint_discriminator(2)
    a, b = torch.randn(2, 4, 3, requires_grad=True).unbind()
    judge(Signal(a), Signal(b)).sum().backward()
    assert judge(Signal(a), Signal(b)).shape == (4,)


def test_a_preview_shows_each_number_as_a_bar_from_the_middle() -> None:
    picture = Features(4).preview(torch.tensor([0.0, 3.0, -3.0, 9.0])).picture
    dark = (picture[0, :, ::16] < 0.5).float()  # a column of each bar
    assert dark.sum(0).tolist() == [0, 32, 32, 32]
    assert dark[:32, 1].all() and dark[32:, 2].all() and dark[:32, 3].all()
    assert Features(1000).preview(torch.zeros(1000)).picture.shape == (3, 64, 256)


# -- files ----------------------------------------------------------------------------------


def test_files_hold_numpys_arrays_and_nothing_pickled(tmp_path: Path) -> None:
    features, path = Features(3), tmp_path / "a.npy"
    features.write([1.5, -2, 0], path)
    assert np.load(path).tolist() == [1.5, -2, 0]
    np.save(path, np.array([4, 5, 6], dtype=np.int16))
    assert features.read(path).tolist() == [4, 5, 6]
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(MediaError, match="not a readable NumPy array of real numbers"):
        features.read(path)
    with path.open("wb") as file:
        np.savez(file, a=np.ones(3))
    with pytest.raises(MediaError, match="not a readable NumPy array of real numbers"):
        features.read(path)
    with pytest.raises(MediaError, match="features are written as .npy"):
        features.write([1, 2, 3], tmp_path / "a.txt")
    with pytest.raises(MediaError, match="no such file"):
        features.read(tmp_path / "b.npy")


@pytest.mark.parametrize("array", [np.ones(3, complex), np.array(["1"]), np.array(["2020"], "M8")])
def test_what_are_no_real_numbers_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(MediaError, match=r"a\.npy: not a readable NumPy array .*its numbers are"):
        Features(3).read(tmp_path / "a.npy")


def test_a_damaged_file_is_named_whatever_is_damaged(tmp_path: Path) -> None:
    path, g = tmp_path / "a.npy", np.random.default_rng(0)
    np.save(path, np.zeros(3, np.float32))
    whole, refused = np.frombuffer(path.read_bytes(), np.uint8), 0
    for _ in range(300):
        harmed = whole.copy()
        harmed[g.integers(0, len(whole), g.integers(1, 6))] = g.integers(0, 256)
        path.write_bytes(harmed.tobytes())
        try:
            Features(3).read(path)
        except MediaError:
            refused += 1
    assert refused > 50


def test_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transmodal.plugins.features.files.MAX_BYTES", 100)
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(MediaError, match="152 bytes, more than the limit of 100"):
        Features(3).read(tmp_path / "a.npy")


# -- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"size": 0}, "size must be a whole number >= 1 <= 65536, not 0"),
        ({"mean": [1.0]}, None),
        ({"mean": None}, "mean must be a number, not None"),
        ({"mean": [1.0, 2.0]}, "mean is one number or one for each of 3, not 2"),
        ({"mean": torch.tensor(1.0)}, r"mean must be a number, not tensor\(1"),
        ({"std": 0.0}, "std must be a number >= 1e-12, not 0.0"),
        ({"std": [1.0, -1.0, 1.0]}, "std must be a number"),
    ],
)
def test_settings_are_checked(changes: dict[str, Any], says: str | None) -> None:
    if says is None:
        assert Features(**{"size": 3, **changes}).scale().mean.tolist() == [1, 1, 1]
        return
    with pytest.raises(SettingError, match=says):
        Features(**{"size": 3, **changes})
