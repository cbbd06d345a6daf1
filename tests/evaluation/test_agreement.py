import json

import numpy as np
import pytest
import torch
from torch import Tensor

from transmodal.core.errors import DataError, SettingError
from transmodal.core.evaluation.agreement import pixel_agreement


def negative(pictures: Tensor) -> Tensor:
    return 1 - pictures


def same(pictures: Tensor) -> Tensor:
    return pictures


def random(n: int, seed: int, share: float = 0.3) -> Tensor:
    values = np.random.default_rng(seed).random((n, 1, 4, 5)) ** (np.log(0.5) / np.log(1 - share))
    return torch.from_numpy(values).float()


def test_two_pairs_by_hand() -> None:
    first = torch.tensor([[0.9, 0.8, 0.1, 0.2], [0.0, 0.6, 0.0, 0.0]]).view(2, 1, 2, 2)
    second = torch.tensor([[0.7, 0.3, 0.1, 0.2], [0.0, 1.0, 0.0, 1.0]]).view(2, 1, 2, 2)
    found = pixel_agreement(first, second, same)
    assert (found.n, found.pixels) == (2, 4)
    assert found.agreement == 6 / 8  # all but pixel 1 of the first and pixel 3 of the second
    # crossed: 1100 with 0101 agree at 2 pixels, 0100 with 1000 at 2
    assert found.chance == 4 / 8
    assert found.corrected == pytest.approx(0.5)
    assert found.overlap == 2 / 4  # both: pixel 0, pixel 1; either: 0, 1 and 1, 3
    assert found.blank == 5 / 8
    assert found.difference == pytest.approx((0.2 + 0.5 + 0.4 + 1.0) / 8)


@pytest.mark.parametrize("foreground", ["bright", "dark"])
def test_against_numpy_over_all_ways_of_rolling(foreground: str) -> None:
    first = random(9, seed=0)
    second = 0.7 * (1 - first) + 0.3 * random(9, seed=1)
    found = pixel_agreement(first, second, negative, foreground=foreground, batch=4)  # type: ignore[arg-type]
    made = 1 - first.numpy()
    x, y = made > 0.5, second.numpy() > 0.5
    assert found.agreement == pytest.approx((x == y).mean())
    rolled = [(x == np.roll(y, k, axis=0)).mean() for k in range(1, 9)]
    assert found.chance == pytest.approx(np.mean(rolled))
    assert 0.5 < found.corrected < 1
    assert found.corrected == pytest.approx(
        (np.mean(x == y) - np.mean(rolled)) / (1 - np.mean(rolled))
    )
    assert found.difference == pytest.approx(np.abs(made - second.numpy()).mean())
    if foreground == "dark":
        x, y = ~x, ~y
    assert found.overlap == pytest.approx((x & y).sum() / (x | y).sum())
    assert found.blank == pytest.approx((~y).mean())


def test_a_perfect_pair_scores_one_and_a_shuffled_one_nothing() -> None:
    first = random(400, seed=2)
    found = pixel_agreement(first, 1 - first, negative)
    assert (found.agreement, found.corrected, found.overlap, found.difference) == (1, 1, 1, 0)
    order = torch.from_numpy(np.random.default_rng(3).permutation(400))
    shuffled = pixel_agreement(first, 1 - first[order], negative)
    assert shuffled.corrected == pytest.approx(0, abs=0.03)  # 4 deviations of 8,000 pixels
    assert shuffled.chance == pytest.approx(found.chance, abs=1 / 399)  # own pairs left out


def test_constant_pictures_agree_and_score_nothing() -> None:
    blank = torch.zeros(5, 1, 3, 3)
    found = pixel_agreement(blank, blank, same)
    assert (found.agreement, found.chance, found.corrected, found.blank) == (1, 1, 0, 1)
    assert found.overlap is None
    assert pixel_agreement(blank, blank, same, foreground="dark").overlap == 1
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()


def test_a_threshold_of_the_callers() -> None:
    first, second = torch.full((2, 1, 1, 1), 0.3), torch.full((2, 1, 1, 1), 0.7)
    assert pixel_agreement(first, second, same).agreement == 0
    assert pixel_agreement(first, second, same, threshold=0.2).agreement == 1


def test_what_cannot_be_compared_is_said() -> None:
    two = torch.zeros(2, 1, 3, 3)
    for wrong in (torch.zeros(3, 1, 3, 3), torch.zeros(2, 9)):
        with pytest.raises(DataError, match=r"pairs of pictures \[n c h w\], not \[2, 1, 3, 3\] a"):
            pixel_agreement(two, wrong, same)
    with pytest.raises(DataError, match=r"two or more pairs .* not \[1, 1, 3, 3\]"):
        pixel_agreement(two[:1], two[:1], same)
    with pytest.raises(DataError, match=r"made \[2, 1, 2, 3\] of \[2, 1, 3, 3\]"):
        pixel_agreement(two, two, lambda x: x[:, :, 1:])
    with pytest.raises(DataError, match="pixels that are not finite"):
        pixel_agreement(two, two / 0, same)
    with pytest.raises(SettingError, match="threshold must be a number >= 0 <= 1, not 2"):
        pixel_agreement(two, two, same, threshold=2)
    with pytest.raises(SettingError, match="batch must be a whole number >= 1"):
        pixel_agreement(two, two, same, batch=0)
    with pytest.raises(SettingError, match="foreground must be one of 'bright', 'dark'"):
        pixel_agreement(two, two, same, foreground="grey")  # type: ignore[arg-type]
