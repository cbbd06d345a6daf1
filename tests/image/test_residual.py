"""Fine grids, residual generators, critics of patches, the Laplace likelihood."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from transmodal.core.adversarial import real_or_made
from transmodal.core.code import Code
from transmodal.core.critics import Critic
from transmodal.core.errors import SettingError
from transmodal.core.signal import Signal
from transmodal.core.subnets import Plan, clipped
from transmodal.plugins.image.framing import Framing, framed
from transmodal.plugins.image.modality import Image
from transmodal.plugins.image.subnets import Sloped, stages_of
from transmodal.registry.contract import check_modality


def test_contract() -> None:
    image = Image((12, 17), 3, likelihood="laplace", grid=6, residual=2, patches=13, slopes=20)
    check_modality(image, list(torch.rand(3, 3, 12, 17)))


@pytest.mark.parametrize(("size", "tokens"), [(64, 256), (48, 144), (256, 256), ((64, 20), 160)])
def test_grid_says_how_many_tokens(size: int | tuple[int, int], tokens: int) -> None:
    image = Image(size, 3, grid=16)
    with torch.no_grad():
        code = image.prenet(4)(Signal(torch.rand(1, 3, *image.size)))
    assert code.tokens.shape == (1, tokens, 4)
    assert image.prenet(4, pooled=True).net.n == 1


def test_defaults_are_what_they_were() -> None:
    """Recipes' weights fit: the same names, shapes and draws as before these settings."""
    plain, spelt = Image(28), Image(28, likelihood="normal", grid=0, residual=0, patches=0)
    for make in ("prenet", "generator"):
        torch.manual_seed(0)
        first = getattr(plain, make)(4).state_dict()
        torch.manual_seed(0)
        second = getattr(spelt, make)(4).state_dict()
        assert all(torch.equal(first[key], second[key]) for key in first)
    assert set(plain.discriminator().state_dict()) == {
        "net.first.0.conv.weight", "net.first.0.conv.bias", "net.first.1.conv.weight",
        "net.first.1.conv.bias", "net.flat.linear.weight", "net.flat.linear.bias",
        "net.logit.linear.weight", "net.logit.linear.bias",
    }  # fmt: skip


def test_a_token_speaks_about_its_place() -> None:
    torch.manual_seed(0)
    generator = Image(32, 1, grid=16, residual=2).generator(3)
    tokens = torch.randn(1, 256, 3)
    other = tokens.clone()
    other[0, 0] += 3
    with torch.no_grad():
        whole, changed = (Code(x, placed=True) for x in (tokens, other))
        change = generator(whole).values - generator(changed).values
    near, far = change[..., :8, :8].abs().mean(), change[..., 24:, 24:].abs().mean()
    assert near > 3 * far  # what the mean token says is everywhere


@pytest.mark.parametrize(("size", "channels"), [((64, 64), 3), ((17, 30), 1), ((20, 9), 3)])
def test_an_untrained_pair_copies(size: tuple[int, int], channels: int) -> None:
    torch.manual_seed(0)
    image = Image(size, channels, grid=6, residual=2)
    signal = Signal(torch.rand(2, channels, *size))
    width = 3 * 16 * 16  # as many as pixels in the largest patch
    with torch.no_grad():
        made = image.generator(width)(image.prenet(width)(signal)).values
    assert float((made - signal.values).abs().mean()) < 0.08
    grey, coloured = Image(32, 1, grid=16, residual=2), Image(32, 3, grid=16, residual=2)
    drawn = Signal(torch.rand(1, 1, 32, 32))
    with torch.no_grad():  # and so does one of another number of channels
        made = coloured.generator(12)(grey.prenet(12)(drawn)).values
    assert float((made - drawn.values).abs().mean()) < 0.08


def test_white_and_black_are_copied_exactly() -> None:
    """As a sigmoid never would, and whatever the convolutions say."""
    torch.manual_seed(0)
    image = Image(16, 3, grid=8, residual=2)
    prenet, generator = image.prenet(24), image.generator(24)
    signal = Signal((torch.rand(2, 3, 16, 16) > 0.5).float())
    with torch.no_grad():
        prenet.net.head.weight.mul_(100)
        generator.leave.weight.zero_()
        made = generator(prenet(signal)).values
    assert torch.allclose(made, signal.values, atol=1e-4)


def test_what_is_copied_can_be_painted_over() -> None:
    """By the last of what ``leave`` says, within [0, 1]; the rest is added."""
    torch.manual_seed(0)
    image = Image(16, 3, grid=8, residual=2)
    prenet, generator = image.prenet(24), image.generator(24)
    signal = Signal(torch.rand(2, 3, 16, 16))
    code = prenet(signal)
    generator.leave.weight.data.zero_()

    def made(*bias: float) -> torch.Tensor:
        generator.leave.bias.data.copy_(torch.tensor(bias))
        return generator(code).values

    grey = torch.tensor([0.75, 0.5, 0.0])[:, None, None].expand(2, 3, 16, 16)
    with torch.no_grad():
        for over in (1.0, 7.0):
            assert torch.allclose(made(0.5, 0.0, -1.0, over), grey)
        assert torch.allclose(made(0.0, 0.0, 0.0, 0.5), 0.25 + signal.values / 2, atol=1e-4)
        assert torch.allclose(made(0.0, 0.0, 0.0, -3.0), signal.values, atol=1e-4)
    (made(0.0, 0.0, 0.0, -0.1) - 0.5).square().mean().backward()
    assert float(generator.leave.bias.grad[-1]) < 0  # and it is learned from outside of it


def test_a_style_has_the_picture_smoothed_and_then_its_contrast_set() -> None:
    torch.manual_seed(0)
    image = Image(32, 3, grid=8, residual=2)
    code = image.prenet(48)(Signal(torch.rand(2, 3, 32, 32)))
    generator = image.generator(48, condition=4)
    style = torch.randn(2, 4)
    with torch.no_grad():
        plain = generator(code, Code.of(style)).values
        generator.smoothing.linear.bias.copy_(torch.tensor([1.0, 1.0]))
        smooth = generator(code, Code.of(style)).values
        generator.contrast.linear.bias.copy_(torch.tensor([0.5, -0.7, 0.9, -0.4]))
        for precise in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
                made = generator(code, Code.of(style)).values
            assert made.dtype is torch.float32
    assert torch.equal(smooth, generator.smoothing(plain, style))
    assert float((smooth - plain).abs().mean()) > 0.01
    assert torch.equal(made, generator.contrast(smooth, style))
    assert float((made - smooth).abs().mean()) > 0.01


def test_slopes_lead_back_from_outside() -> None:
    x = torch.tensor([-0.5, -0.5, 0.2, 1.5, 1.5], requires_grad=True)
    made = clipped(x)
    assert torch.equal(made, x.detach().clamp(0, 1)) and made.dtype == torch.float32
    made.backward(torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0]))  # descent goes against these
    assert x.grad is not None and x.grad.tolist() == [0.0, -1.0, 1.0, 1.0, 0.0]


def test_a_style_changes_the_whole_picture() -> None:
    torch.manual_seed(0)
    generator = Image(16, 3, grid=8, residual=2).generator(3, condition=2)
    code = Code(torch.randn(2, 64, 3))
    made = [generator(code, Code(torch.randn(2, 1, 2))).values for _ in range(2)]
    assert ((made[0] - made[1]).abs().amax((1, 2, 3)) > 1e-4).all()


def test_a_frame_enlarges_and_moves() -> None:
    framing = Framing(1)
    picture = torch.zeros(1, 1, 8, 8)
    picture[..., 2:6, 2:6] = 1
    kept = framed(picture, framing(torch.ones(1, 1)))
    assert torch.allclose(kept, picture, atol=1e-5)
    half = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
    assert torch.allclose(framed(picture, half)[..., 1:-1, 1:-1], torch.ones(6, 6), atol=1e-5)
    right = torch.tensor([[[1.0, 0.0, -0.5], [0.0, 1.0, 0.0]]])
    assert torch.allclose(framed(picture, right), picture.roll(2, 3), atol=1e-5)
    framed(picture, framing(torch.ones(1, 1))).square().sum().backward()
    assert framing.linear.weight.grad is not None
    assert bool(framing.linear.weight.grad.isfinite().all())


def test_wide_patches_take_little_memory() -> None:
    image = Image(256, 3, grid=4, residual=2)
    made = image.generator(16)(image.prenet(16)(Signal(torch.rand(1, 3, 256, 256))))
    assert made.values.shape == (1, 3, 256, 256)


def test_residual_learns_a_picture_by_heart() -> None:
    torch.manual_seed(0)
    image = Image(8, 3, grid=4, residual=2, likelihood="laplace")
    real = Signal((torch.rand(4, 3, 8, 8) > 0.5).float())
    prenet, generator = image.prenet(16), image.generator(16)
    optimizer = torch.optim.Adam([*prenet.parameters(), *generator.parameters()], 2e-3)
    losses = []
    for _ in range(60):
        loss = image.reconstruction(generator(prenet(real)), real).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(("patch", "halved"), [(5, 1), (13, 2), (29, 3), (61, 4)])
def test_patches_are_as_wide_as_asked(patch: int, halved: int) -> None:
    """What a position sees, found by gradients, is the width asked for."""
    assert stages_of(patch, (256, 256)) == (halved, halved)
    critic = Critic(Plan(1, (128, 128), (halved, halved), 4), 0, 8, patches=True)
    picture = torch.rand(1, 1, 128, 128, requires_grad=True)
    x = picture
    for layer in critic.first:
        x = layer(x)
    middle = x.shape[2] // 2
    x[..., middle, middle].square().sum().backward()
    assert picture.grad is not None
    seen = picture.grad.abs().sum((0, 1, 2)).nonzero()[:, 0]
    assert int(seen.max() - seen.min()) + 1 == patch


def test_a_critic_of_patches_takes_the_mean_of_their_logits() -> None:
    torch.manual_seed(0)
    critic = Image(32, 3, patches=13).discriminator()
    signal = Signal(torch.rand(2, 3, 32, 32))
    with torch.no_grad():
        x = signal.values * 2 - 1
        for layer in critic.net.first:
            x = layer(x)
        patches = torch.nn.functional.leaky_relu(critic.net.flat.conv(x), 0.2)
        logits = critic.net.logit.linear(patches.movedim(1, -1))[..., 0]
        assert torch.allclose(critic(signal), logits.mean((1, 2)), atol=1e-5)


def test_slopes_are_squashed_differences() -> None:
    x = torch.rand(2, 3, 9, 12, dtype=torch.float64)
    seen = Sloped(20.0)(Signal(x)).numpy()
    pixels = x.numpy() * 2 - 1
    assert seen.shape == (2, 9, 9, 12) and np.array_equal(seen[:, :3], pixels)
    assert np.allclose(seen[:, 3:6, :, :-1], np.tanh(20 * np.diff(pixels, axis=3)))
    assert np.allclose(seen[:, 6:, :-1], np.tanh(20 * np.diff(pixels, axis=2)))
    assert not seen[:, 3:6, :, -1].any() and not seen[:, 6:, -1].any()


def test_a_critic_of_slopes_tells_flat_from_faintly_shaded() -> None:
    """Within 40 steps, in which one of pixels alone does not; chance is 0.5."""
    generator = torch.Generator()

    def pictures(count: int, shade: float) -> Signal:
        colours = torch.rand(count, 3, 1, 1, generator=generator) * 0.8 + 0.1
        return Signal(colours + shade * torch.linspace(-1, 1, 16).expand(count, 3, 16, 16))

    def right(slopes: float) -> float:
        torch.manual_seed(0)
        generator.manual_seed(0)
        critic = Image(16, 3, patches=13, slopes=slopes, critic=8).discriminator()
        adam = torch.optim.Adam(critic.parameters(), 1e-3, (0.5, 0.999))
        for _ in range(40):
            loss = real_or_made(critic(pictures(16, 0)), critic(pictures(16, 0.02)))
            adam.zero_grad()
            loss.backward()
            adam.step()
        flat, shaded = critic(pictures(200, 0)), critic(pictures(200, 0.02))
        return float(((flat > 0).float().mean() + (shaded < 0).float().mean()) / 2)

    assert right(20.0) > 0.95 > 0.7 > right(0.0)


def test_likelihoods_by_hand() -> None:
    made, real = Signal(torch.full((1, 1, 8, 8), 0.5)), Signal(torch.full((1, 1, 8, 8), 0.3))
    normal = Image(8, std=0.2).reconstruction(made, real)
    laplace = Image(8, std=0.2, likelihood="laplace").reconstruction(made, real)
    assert math.isclose(float(normal), 64 * 0.2**2 / (2 * 0.2**2), rel_tol=1e-5)
    assert math.isclose(float(laplace), 64 * 0.2 / 0.2, rel_tol=1e-5)


def test_settings_that_do_not_fit() -> None:
    with pytest.raises(SettingError, match="have no use beside residual blocks"):
        Image(28, waist=2, residual=6)
    with pytest.raises(SettingError, match="have no use beside residual blocks"):
        Image(28, hidden=64, residual=6)
    with pytest.raises(SettingError, match="sees no patches"):
        Image(28, critic=0, patches=13)
    for name, value in (("likelihood", "cauchy"), ("grid", 65), ("residual", -1), ("patches", 1.5),
                        ("slopes", -1.0), ("slopes", 1001.0)):  # fmt: skip
        with pytest.raises(SettingError, match=name):
            Image(28, **{name: value})


@pytest.mark.parametrize(("own", "pooled"), [({}, False), ({}, True), ({"residual": 2}, False)])
def test_prenets_see_slopes_too(own: dict[str, int], pooled: bool) -> None:
    """A faint shading moves what they say more, beside what an edge does, than among pixels."""
    flat = torch.full((1, 3, 16, 16), 0.5)
    faint, edge = flat.clone(), flat.clone()
    faint[..., 8:] += 0.02
    edge[..., 8:] += 0.5

    def share(slopes: float) -> float:
        torch.manual_seed(0)
        prenet = Image(16, 3, grid=8, slopes=slopes, **own).prenet(32, pooled=pooled)
        if own:  # of what a token says, the pixels that are copied are the most
            torch.nn.init.zeros_(prenet.pixels.basis)
        with torch.no_grad():
            said = [prenet(Signal(x)).tokens for x in (flat, faint, edge)]
        return float((said[1] - said[0]).norm() / (said[2] - said[0]).norm())

    assert share(20.0) > 1.5 * share(0.0) > 0
