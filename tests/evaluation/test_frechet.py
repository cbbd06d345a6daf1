import numpy as np
import pytest
import scipy.linalg
import torch

from transmodal.core.errors import DataError
from transmodal.core.evaluation.frechet import frechet_distance, gaussian_frechet


def covariance(d: int, rank: int, seed: int) -> torch.Tensor:
    factor = torch.randn(d, rank, generator=torch.Generator().manual_seed(seed)).double()
    return factor @ factor.T / rank


@pytest.mark.parametrize("d", [1, 3, 16])
def test_matches_the_matrix_root_of_scipy(d: int) -> None:
    generator = torch.Generator().manual_seed(d)
    x = torch.randn(200, d, generator=generator).double() @ torch.randn(d, d).double()
    y = torch.randn(150, d, generator=generator).double() * 2 + 1
    cov_x = np.cov(x.numpy(), rowvar=False).reshape(d, d)
    cov_y = np.cov(y.numpy(), rowvar=False).reshape(d, d)
    root = scipy.linalg.sqrtm(cov_x @ cov_y).real
    shift = x.numpy().mean(0) - y.numpy().mean(0)
    expected = shift @ shift + np.trace(cov_x + cov_y - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_matches_the_closed_form_of_diagonal_gaussians() -> None:
    mean_x, mean_y = torch.tensor([0.0, 1.0, -2.0]), torch.tensor([3.0, 1.0, 0.0])
    std_x, std_y = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([4.0, 2.0, 0.25])
    expected = float((mean_x - mean_y).square().sum() + (std_x - std_y).square().sum())
    found = gaussian_frechet(mean_x, torch.diag(std_x**2), mean_y, torch.diag(std_y**2))
    assert found == pytest.approx(expected, rel=1e-12)


def test_is_symmetric_and_zero_on_itself_even_for_singular_covariances() -> None:
    mean = torch.zeros(6)
    flat, full = covariance(6, 2, seed=0), covariance(6, 9, seed=1)
    there, back = gaussian_frechet(mean, flat, mean, full), gaussian_frechet(mean, full, mean, flat)
    assert there > 0.1
    # eigh of a singular matrix leaves eigenvalues of 1e-17, whose roots are 1e-8
    assert there == pytest.approx(back, abs=1e-6)
    assert gaussian_frechet(mean, flat, mean, flat) == pytest.approx(0, abs=1e-6)


def test_too_few_samples_are_refused_with_both_numbers() -> None:
    with pytest.raises(DataError, match=r"8 made samples are too few for the covariance of 8 .* 9"):
        frechet_distance(torch.randn(8, 8), torch.randn(50, 8))
    with pytest.raises(DataError, match="5 real samples are too few"):
        frechet_distance(torch.randn(50, 8), torch.randn(5, 8))


def test_features_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"not \[9, 3\] and \[9, 2\]"):
        frechet_distance(torch.randn(9, 3), torch.randn(9, 2))
    with pytest.raises(DataError, match=r"between features \[n d\]"):
        frechet_distance(torch.randn(9), torch.randn(9))
    broken = torch.randn(9, 2)
    broken[3, 1] = torch.nan
    with pytest.raises(DataError, match="the real features hold non-finite values"):
        frechet_distance(torch.randn(9, 2), broken)
