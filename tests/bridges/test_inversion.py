"""Inversion against closed forms, hand-written loops, and itself in other company."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from transmodal.core.errors import DataError, ReachError, SettingError, UnsupportedError
from transmodal.core.latents.inversion import invert
from transmodal.core.latents.prior import Prior
from transmodal.core.latents.reach import require_reached, squared_error
from transmodal.core.latents.searches import (
    LBFGS,
    SEARCHES,
    AdamSearch,
    GradientDescent,
    search_named,
)
from transmodal.core.signal import Signal

WIDTH = 3
QUICK = {
    "adam": AdamSearch(steps=60, restarts=3),
    "gradient-descent": GradientDescent(steps=120, restarts=2, rate=0.02),
    "l-bfgs": LBFGS(steps=3, restarts=2),
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def drawn(count, width=WIDTH):
    """Starts that depend on nothing."""
    return Prior(width).starts(count, torch.device("cpu"))


def inverted(decode, query, search, **settings):
    starts = drawn(search.restarts).expand(len(query), -1, -1)
    return invert(decode, query, starts, search=search, **settings)


def linear(size=8, width=WIDTH, seed=1):
    """A linear generator and its matrix ``[width size]``."""
    matrix = draw(width, size, seed=seed)
    return (lambda z: Signal(z @ matrix)), matrix


def mlp(size=20, seed=2):
    """A smooth generator; in float64, so that the rounding of its batched products is no matter."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(WIDTH, 32), nn.Tanh(), nn.Linear(32, size)).double()
    return net, lambda z: Signal(net(z.double()))


def two_valleys(z):
    """A generator whose error to ``QUERY`` has a valley at z = 2 and a worse one near z = -2."""
    return Signal(torch.cat([z.square(), z / 4], 1))


QUERY = Signal(torch.tensor([[4.0, 0.5]]))


# closed forms


@pytest.mark.parametrize("prior", [0.0, 0.7])
@pytest.mark.parametrize(
    "search",
    [
        AdamSearch(steps=400, restarts=2),
        GradientDescent(steps=1500),
        LBFGS(restarts=1),
    ],
    ids=lambda s: type(s).__name__,
)
def test_a_linear_generator_gives_least_squares_and_ridge(search, prior):
    decode, matrix = linear()
    query = draw(5, 8, seed=3)
    found = inverted(decode, Signal(query), type(search)(**search.settings() | {"prior": prior}))
    rows = np.concatenate([matrix.T.double().numpy(), prior**0.5 * np.eye(WIDTH)])
    wanted = np.concatenate([query.T.double().numpy(), np.zeros((WIDTH, 5))])
    z = np.linalg.lstsq(rows, wanted, rcond=None)[0].T
    residual = ((z @ matrix.double().numpy() - query.double().numpy()) ** 2).sum(1)
    np.testing.assert_allclose(found.z, z, atol=2e-4)  # float32 sums of 8 squares
    np.testing.assert_allclose(found.residual, residual, rtol=1e-4)


def test_gradient_descent_is_the_hand_written_loop_step_by_step():
    net, decode = mlp()
    query = draw(4, 20, seed=5).double()
    for steps in (1, 2, 7, 40):
        made = inverted(decode, Signal(query), GradientDescent(steps=steps))
        for i in range(4):  # the authors' rate of 0.1 on the mean over a batch of 8
            z = drawn(1).clone().requires_grad_()
            for _ in range(steps):
                loss = (net(z.double()) - query[i]).square().sum() / 8
                (gradient,) = torch.autograd.grad(loss, z)
                z = (z - 0.1 * gradient).detach().requires_grad_()
            torch.testing.assert_close(made.z[i], z[0].detach(), rtol=1e-5, atol=1e-6)


def test_adam_is_torchs_on_each_row_alone():
    net, decode = mlp()
    query = draw(3, 20, seed=5).double()
    made = inverted(decode, Signal(query), AdamSearch(steps=30, restarts=1, prior=0.2))
    for i in range(3):
        z = nn.Parameter(drawn(1))
        optimizer = torch.optim.Adam([z], AdamSearch().rate, betas=AdamSearch().betas)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
        for _ in range(30):
            optimizer.zero_grad()
            loss = (net(z.double()) - query[i]).square().sum() + 0.2 * z.square().sum()
            loss.backward()
            optimizer.step()
            schedule.step()
        torch.testing.assert_close(made.z[i], z[0].detach(), rtol=1e-4, atol=1e-5)


# what they find


def test_a_generators_own_samples_are_recovered():
    _, decode = mlp()
    z = draw(12, WIDTH, seed=7)
    query = Signal(decode(z).values.detach())
    found = inverted(decode, query, AdamSearch(prior=0.0))
    torch.testing.assert_close(found.z, z, rtol=0, atol=1e-3)
    assert found.residual.max() < 1e-5
    torch.testing.assert_close(
        found.residual, squared_error(decode(found.z), query).detach(), rtol=1e-5, atol=1e-12
    )


def test_l_bfgs_ends_no_higher_than_gradient_descent():
    _, decode = mlp()
    query = Signal(decode(draw(6, WIDTH, seed=8)).values.detach() + 0.1 * draw(6, 20, seed=9))
    slow = inverted(decode, query, GradientDescent(steps=400))
    exact = inverted(decode, query, LBFGS(restarts=2))
    assert (exact.residual <= slow.residual * (1 + 1e-5)).all()
    assert exact.residual.mean() > 0.01  # the noise is out of reach: the bound is not empty


def test_restarts_find_the_better_of_two_valleys():
    starts = torch.tensor([[[-1.5]], [[1.5]]]).transpose(0, 1)  # 1 query, 2 starts
    search = AdamSearch(prior=0.0)
    one = invert(two_valleys, QUERY, starts[:, :1], search=search)
    both = invert(two_valleys, QUERY, starts, search=search)
    assert one.z.item() == pytest.approx(-2, abs=0.05) and one.residual.item() > 0.9
    assert both.z.item() == pytest.approx(2, abs=1e-3) and both.residual.item() < 1e-6


def test_a_score_chooses_the_restart_and_the_residual_stays_the_distance():
    starts = torch.tensor([[[-1.5], [1.5]]])

    def negative(z, query):
        assert len(z) == len(query)
        return -z[:, 0]

    found = invert(two_valleys, QUERY, starts, search=AdamSearch(prior=0.0), score=negative)
    assert found.z.item() == pytest.approx(-2, abs=0.05) and found.residual.item() > 0.9
    unknown = invert(
        two_valleys,
        QUERY,
        starts,
        search=AdamSearch(prior=0.0),
        score=lambda z, query: torch.where(z[:, 0] > 0, torch.nan, 0.0),
    )
    assert unknown.z.item() < 0  # a score that is no number never wins


def test_a_diverged_restart_loses_to_a_finite_one():
    starts = torch.tensor([[[50.0], [1.9]]])
    search = GradientDescent(steps=60, rate=0.01)
    found = invert(two_valleys, QUERY, starts, search=search)
    assert found.z.item() == pytest.approx(2, abs=0.01)


# company


@pytest.mark.parametrize("name", QUICK)
def test_an_answer_depends_neither_on_company_nor_on_place(name):
    _, decode = mlp()
    query = Signal(draw(5, 20, seed=11))
    search = QUICK[name]
    whole = inverted(decode, query, search)
    close = {"rtol": 1e-5, "atol": 1e-6}  # the generator is in float64, z in float32
    for i in range(5):
        alone = inverted(decode, query[i : i + 1], search)
        torch.testing.assert_close(alone.z[0], whole.z[i], **close)
        torch.testing.assert_close(alone.residual[0], whole.residual[i], **close)
    order = torch.tensor([3, 0, 4, 2, 1])
    moved = inverted(decode, query[order], search)
    torch.testing.assert_close(moved.z, whole.z[order], **close)
    turned = invert(decode, query, drawn(search.restarts).flip(0).expand(5, -1, -1), search=search)
    torch.testing.assert_close(turned.z, whole.z, **close)


@pytest.mark.parametrize("chunk", [1, 4, 7, 1000])
def test_chunks_bound_the_batch_and_change_nothing(chunk):
    _, decode = mlp()
    query = Signal(draw(5, 20, seed=11))
    seen = []

    def watched(z):
        seen.append(len(z))
        return decode(z)

    settings = {"steps": 40, "restarts": 3}
    whole = inverted(decode, query, AdamSearch(**settings))
    parts = inverted(watched, query, AdamSearch(chunk=chunk, **settings))
    assert max(seen) == min(chunk, 15)
    torch.testing.assert_close(parts.z, whole.z, rtol=1e-5, atol=1e-6)


def test_lengths_mask_the_padding():
    matrix = draw(WIDTH, 12, seed=1)
    query = Signal(draw(2, 6, 2, seed=3), torch.tensor([6, 4]))

    def decode(z):
        return Signal((z @ matrix).unflatten(1, (6, 2)))

    found = inverted(decode, query, LBFGS(restarts=1))
    short = np.linalg.lstsq(
        matrix[:, :8].T.numpy(), query.values[1, :4].flatten().numpy(), rcond=None
    )[0]
    np.testing.assert_allclose(found.z[1], short, atol=1e-3)
    made = decode(found.z).values - query.values
    sums = torch.stack([made[0].square().sum(), made[1, :4].square().sum()])
    torch.testing.assert_close(found.residual, sums)


# what is left untouched


@pytest.mark.parametrize("name", QUICK)
def test_works_without_gradients_and_leaves_the_generator_alone(name):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(WIDTH, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 6))
    net[0].weight.grad = torch.full_like(net[0].weight, 3.0)
    net[3].requires_grad_(False)
    net.eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    query = Signal(draw(2, 6))
    rng = torch.get_rng_state()
    results = []
    for mode in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with mode():
            found = inverted(lambda z: Signal(net(z)), Signal(query.values + 0), QUICK[name])
        assert not found.z.requires_grad and not found.residual.requires_grad
        results.append(found.z.clone())
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
    assert torch.equal(rng, torch.get_rng_state())
    assert [p.requires_grad for p in net.parameters()] == [True] * 4 + [False] * 2
    assert torch.equal(net[0].weight.grad, torch.full_like(net[0].weight, 3.0))
    assert all(p.grad is None for p in list(net.parameters())[1:])
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_z_and_distance_are_float32(dtype):
    net, _ = mlp()
    net.float()
    seen = set()

    def distance(made, real):
        product = made.values @ torch.eye(20)  # autocast would make it half precision
        seen.update([made.values.dtype, product.dtype])
        return (product - real.values).square().sum(1)

    z = draw(4, WIDTH, seed=7)
    query = Signal(net(z).detach())
    with torch.autocast("cpu", dtype=dtype):
        assert net(z).dtype == dtype
        found = inverted(lambda z: Signal(net(z)), query, AdamSearch(), distance=distance)
    assert seen == {torch.float32}
    assert found.z.dtype == found.residual.dtype == torch.float32
    assert found.residual.max() < 0.05 * query.values.square().sum(1).mean()


@pytest.mark.parametrize(
    ("search", "chunks"),
    [(AdamSearch(steps=5, restarts=3, chunk=4), 2), (LBFGS(steps=40, restarts=2), 4)],
)
def test_progress_is_told_to_the_end(search, chunks):
    _, decode = mlp()
    query = Signal(draw(2, 20))
    told = []

    def tick(*now):
        told.append(now)

    inverted(decode, query, search, tick=tick)
    assert told[-1] == (search.steps * chunks,) * 2
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_an_empty_batch_has_an_empty_answer():
    found = inverted(None, Signal(torch.zeros(0, 8)), AdamSearch())
    assert found.z.shape == (0, WIDTH) and found.residual.shape == (0,)


# errors


def test_queries_that_are_not_finite_are_named():
    values = torch.zeros(9, 8)
    values[1, 3], values[4, 0] = torch.nan, torch.inf
    with pytest.raises(DataError, match="2 of 9 queries .* at positions 1, 4; repair"):
        inverted(linear()[0], Signal(values), AdamSearch())


def test_wrong_shapes_are_named():
    decode, _ = linear()
    query = Signal(torch.zeros(2, 8))
    search = QUICK["adam"]
    with pytest.raises(DataError, match=r"shape \(6, 8\) cannot be held against .* \(6, 7\)"):
        inverted(decode, Signal(torch.zeros(2, 7)), search)
    with pytest.raises(DataError, match=r"each of 6 items, not shape \(6, 8\); sum"):
        inverted(decode, query, search, distance=lambda a, b: (a.values - b.values).abs())
    with pytest.raises(DataError, match="made 1 signals of 6 latent"):
        inverted(lambda z: decode(z[:1]), query, search)
    with pytest.raises(DataError, match=r"a score is one number for each of 6"):
        inverted(decode, query, search, score=lambda z, query: z.sum())


def test_a_decode_without_gradient_is_refused():
    decode, _ = linear()
    with pytest.raises(UnsupportedError, match="no gradient back to z"):
        inverted(lambda z: decode(z.detach()), Signal(torch.zeros(2, 8)), AdamSearch())


def test_divergence_is_an_error():
    query = Signal(torch.cat([QUERY.values] * 7))
    with pytest.raises(ReachError, match="7 of 7 queries .* 0, 1, 2, 3, 4 and 2 more; lower"):
        starts = drawn(1, width=1).expand(7, -1, -1)
        invert(two_valleys, query, starts, search=GradientDescent(rate=10.0))


def test_what_is_out_of_reach_is_named():
    residual = torch.tensor([0.5, 3.25, torch.nan, 1.0])
    require_reached(residual[[0, 3]], 1.0, "digits")
    require_reached(residual[:0], 1.0, "digits")
    with pytest.raises(
        ReachError, match=r"'digits' does not reach 2 of 4 .* within 1, .* 1 \(3.25\), 2 \(nan\);"
    ):
        require_reached(residual, 1.0, "digits")
    with pytest.raises(ReachError, match=r"4 \(8\) and 3 more; give items"):
        require_reached(torch.full((8,), 8.0), 1.0, "digits")
    with pytest.raises(SettingError, match="limit must be a number >= 0"):
        require_reached(residual, -1.0, "digits")


# settings


@pytest.mark.parametrize("name", SEARCHES)
def test_settings_survive_json(name):
    search = QUICK[name]
    again = search_named(name, **json.loads(json.dumps(search.settings())))
    assert again == search and type(again) is SEARCHES[name]


@pytest.mark.parametrize(
    ("name", "settings", "match"),
    [
        ("newton", {}, "search must be one of 'adam', 'gradient-descent', 'l-bfgs', not 'newton'"),
        ("l-bfgs", {"chunk": 8}, "has no setting 'chunk'"),
        ("adam", {"restarts": 0}, "restarts must be a whole number >= 1, not 0"),
        ("adam", {"steps": 2.5}, "steps must be a whole number"),
        ("adam", {"chunk": 0}, "chunk must be"),
        ("adam", {"prior": -1}, "prior must be a number >= 0"),
        ("adam", {"rate": 0}, "rate must be"),
        ("adam", {"betas": [0.9, 1.0]}, "betas must be"),
        ("adam", {"betas": [0.9]}, "betas must be two"),
        ("gradient-descent", {"rate": -0.1}, "rate must be"),
        ("l-bfgs", {"iterations": 0}, "iterations must be"),
        ("l-bfgs", {"history": 0}, "history must be"),
        ("l-bfgs", {"lr": 0}, "lr must be"),
    ],
)
def test_wrong_settings_are_refused(name, settings, match):
    with pytest.raises(SettingError, match=match):
        search_named(name, **settings)


@pytest.mark.parametrize("t", [1, 3, 7])
def test_what_is_made_may_be_longer_or_shorter_than_items(t: int) -> None:
    """The sum over an item's own length of what was made there, or of nothing."""
    torch.manual_seed(0)
    made, items = torch.randn(2, t, 4), torch.randn(2, 5, 4)
    lengths = torch.tensor([5, 2])
    wanted = [
        sum(
            float(((made[i, k] if k < t else 0) - items[i, k]).square().sum())
            for k in range(int(lengths[i]))
        )
        for i in range(2)
    ]
    found = squared_error(Signal(made), Signal(items, lengths))
    assert found.tolist() == pytest.approx(wanted)
