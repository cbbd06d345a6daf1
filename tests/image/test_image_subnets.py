"""The image's ends: any size, tokens, conditions, gradients, autocast, items on their own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transmodal.core.code import Code
from transmodal.core.errors import DataError
from transmodal.core.signal import Signal
from transmodal.core.subnets import Plan, halvings, mean_token
from transmodal.plugins.image.modality import Image


@settings(max_examples=8, deadline=None)
@given(h=st.integers(8, 64), w=st.integers(8, 64), channels=st.sampled_from([1, 3]))
def test_every_size_goes_in_and_comes_out(h: int, w: int, channels: int) -> None:
    image = Image((h, w), channels)
    signal = Signal(torch.rand(2, channels, h, w))
    with torch.no_grad():
        code = image.prenet(6, pooled=True)(signal)
        assert code.tokens.shape == (2, 1, 6)
        tokens = image.prenet(6)(signal)
        assert tokens.mask is None
        generator = image.generator(6)
        for given_code in (code, tokens, Code(torch.randn(2, 3, 6))):
            made = generator(given_code)
            assert made.values.shape == signal.values.shape
            assert 0 <= made.values.min() <= made.values.max() <= 1
        assert image.discriminator()(made).shape == (2,)


@pytest.mark.parametrize("size", [(256, 256), (8, 256), (8, 8)])
def test_the_largest_and_smallest(size: tuple[int, int]) -> None:
    image = Image(size, 3)
    with torch.no_grad():
        code = image.prenet(4, pooled=True)(Signal(torch.rand(1, 3, *size)))
        assert image.generator(4)(code).values.shape == (1, 3, *size)


@given(st.integers(8, 4000))
def test_halving_ends_between_five_and_eight_positions(n: int) -> None:
    plan = Plan(1, (n, 8))
    assert 4 <= plan.sizes[-1][0] <= 8
    assert len(plan.strides) == halvings(n)


def test_an_item_does_not_depend_on_its_company() -> None:
    image = Image(28)
    signal = Signal(torch.rand(5, 1, 28, 28))
    nets = [image.prenet(4, pooled=True), image.prenet(4)]
    with torch.no_grad():
        for net in nets:
            alone = net(signal[1:2]).tokens
            assert torch.allclose(net(signal).tokens[1:2], alone, atol=1e-5)
        generator, critic = image.generator(4), image.discriminator()
        code = Code(torch.randn(5, 1, 4))
        alone = generator(Code(code.tokens[1:2])).values
        assert torch.allclose(generator(code).values[1:2], alone, atol=1e-5)
        assert torch.allclose(critic(signal)[1:2], critic(signal[1:2]), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_gives_finite_float32_near_the_exact(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    image = Image(28)
    signal = Signal(torch.rand(4, 1, 28, 28))
    prenet, generator, critic = (
        image.prenet(8, pooled=True),
        image.generator(8),
        image.discriminator(),
    )
    exact = generator(prenet(signal)).values
    with torch.autocast("cpu", dtype):
        code = prenet(signal)
        made = generator(code)
        logits = critic(made)
        loss = image.reconstruction(made, signal).sum() + logits.sum()
    assert code.tokens.dtype == made.values.dtype == logits.dtype == loss.dtype == torch.float32
    assert torch.allclose(made.values, exact, atol=0.05)  # eight bits of mantissa, five layers
    loss.backward()
    for net in (prenet, generator, critic):
        for name, parameter in net.named_parameters():
            if "place" not in name:  # only sequences of tokens have places
                assert parameter.grad is not None, name
                assert parameter.grad.isfinite().all(), name


def test_tokens_with_a_place_move_their_own_part_of_the_picture() -> None:
    torch.manual_seed(0)
    image = Image(28)
    generator = image.generator(6)
    tokens = torch.randn(1, 49, 6)
    moved = tokens.clone()
    # the mean stays, so that what changes comes through the two places
    moved[0, 0] += 1
    moved[0, 48] -= 1
    with torch.no_grad():
        change = (generator(Code(moved)).values - generator(Code(tokens)).values).abs()[0, 0]
    # the centre moves only through the root mean square of the innermost map
    assert change[:8, :8].mean() > 4 * change[12:16, 12:16].mean()
    assert change[20:, 20:].mean() > 4 * change[12:16, 12:16].mean()


def test_masked_tokens_say_nothing() -> None:
    torch.manual_seed(0)
    generator = Image(28).generator(6)
    for n in (5, 49):
        tokens = torch.randn(2, n, 6)
        mask = torch.rand(2, n) < 0.6
        garbage = torch.where(mask[..., None], tokens, 1e3)
        made = generator(Code(tokens, mask)).values
        assert torch.allclose(made, generator(Code(garbage, mask)).values, atol=1e-5)
    assert torch.allclose(mean_token(Code(tokens, mask))[0], tokens[0, mask[0]].mean(0), atol=1e-6)


def test_conditions_are_heard_and_learned() -> None:
    torch.manual_seed(0)
    image = Image(28)
    generator, critic = image.generator(6, condition=3), image.discriminator(condition=3)
    code, style = Code(torch.randn(2, 1, 6)), torch.randn(2, 1, 3, requires_grad=True)
    made = generator(code, Code(style))
    critic(made, Code(style)).sum().backward()
    assert style.grad is not None
    assert (style.grad.abs().sum((1, 2)) > 0).all()
    other = Code(style.detach().flip(0))
    assert not torch.allclose(generator(code, other).values, made.values, atol=1e-4)
    assert not torch.allclose(critic(made, other), critic(made, Code(style)), atol=1e-4)


def test_a_condition_missing_unasked_or_of_another_width_is_refused() -> None:
    image = Image(8)
    code, style = Code(torch.zeros(1, 1, 4)), Code(torch.zeros(1, 1, 3))
    with pytest.raises(DataError, match="built for a condition of width 3; none was given"):
        image.generator(4, condition=3)(code)
    with pytest.raises(DataError, match="built without a condition, yet one was given"):
        image.discriminator()(Signal(torch.zeros(1, 1, 8, 8)), style)
    with pytest.raises(DataError, match="a condition of width 2 is due, not 3"):
        image.generator(4, condition=2)(code, style)


def test_a_small_autoencoder_learns() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    image = Image(16)
    prenet, generator = image.prenet(8, pooled=True), image.generator(8)
    signal = Signal(torch.zeros(16, 1, 16, 16))
    for i in range(16):  # a square at 16 places
        signal.values[i, 0, i // 4 * 4 : i // 4 * 4 + 4, i % 4 * 4 : i % 4 * 4 + 4] = 1
    optimizer = torch.optim.Adam([*prenet.parameters(), *generator.parameters()], 2e-3)
    for _ in range(150):
        loss = image.reconstruction(generator(prenet(signal)), signal).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 400  # half of what a blank picture costs, where ReLU alone stays
