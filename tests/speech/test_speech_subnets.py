"""The speech's ends: tokens and lengths, padding without effect, autocast, gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transmodal.core.code import Code
from transmodal.core.errors import DataError
from transmodal.core.signal import Signal
from transmodal.plugins.speech.modality import Speech

SPEECH = Speech()
torch.manual_seed(0)
PRENETS = [SPEECH.prenet(6, pooled=True), SPEECH.prenet(6)]
GENERATOR = SPEECH.generator(6)
CRITIC = SPEECH.discriminator()


@settings(max_examples=12, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 63), min_size=1, max_size=4),
    spare=st.integers(0, 62),
    seed=st.integers(0, 99),
)
def test_padding_has_no_effect(lengths: list[int], spare: int, seed: int) -> None:
    """However far a batch is padded, and with whatever, an item's output is its own."""
    g = torch.Generator().manual_seed(seed)
    t = min(63, max(lengths) + spare)
    values = torch.rand(len(lengths), t, 40, generator=g)  # garbage past the lengths
    batch = Signal(values, torch.tensor(lengths))
    with torch.no_grad():
        for i, n in enumerate(lengths):
            alone = Signal(values[i : i + 1, :n], torch.tensor([n]))
            for prenet in PRENETS:
                whole, single = prenet(batch), prenet(alone)
                assert torch.allclose(whole.tokens[i], single.tokens[0], atol=1e-5)
                if whole.mask is not None and single.mask is not None:
                    assert torch.equal(whole.mask[i], single.mask[0])
                    assert whole.mask[i].sum() == -(-n // 4)
            assert torch.allclose(CRITIC(batch)[i], CRITIC(alone)[0], atol=1e-5)
        made, wanted = GENERATOR(PRENETS[1](batch)), -(-torch.tensor(lengths) // 4) * 4
        assert torch.equal(made.lengths, wanted.clamp(max=63))
        assert (made.values[~made.mask()] == 0).all()


@pytest.mark.parametrize(
    ("rate", "seconds"), [(4000, 0.1), (8000, 0.75), (16000, 1.0), (22050, 3.3)]
)
def test_every_window_goes_in_and_comes_out(rate: int, seconds: float) -> None:
    speech = Speech(rate, seconds)
    size = (speech.frames, speech.mels)
    signal = Signal(torch.rand(2, *size), torch.tensor([speech.frames, 1]))
    with torch.no_grad():
        for pooled in (True, False):
            code = speech.prenet(4, pooled=pooled)(signal)
            assert code.tokens.shape == (2, 1 if pooled else -(-speech.frames // 4), 4)
            made = speech.generator(4)(code)
            assert made.values.shape == (2, *size)
            assert 0 <= made.values.min() <= made.values.max() <= 1
        assert speech.discriminator()(signal).shape == (2,)


def test_another_shape_is_refused() -> None:
    for shape in ((2, 64, 40), (2, 63, 41), (2, 1, 63, 40)):
        with pytest.raises(DataError, match=r"\[b t f\] with t <= 63 frames and f = 40 mel bins"):
            PRENETS[0](Signal(torch.zeros(shape)))


def test_one_token_speaks_for_the_whole_window() -> None:
    made = GENERATOR(Code(torch.randn(3, 1, 6)))
    assert made.values.shape == (3, 63, 40)
    assert made.lengths.tolist() == [63] * 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_gives_finite_float32_and_gradients(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    prenet, generator = SPEECH.prenet(6), SPEECH.generator(6, condition=3)
    critic = SPEECH.discriminator(condition=3)
    signal = Signal(torch.rand(2, 63, 40), torch.tensor([63, 30]))
    style = Code(torch.randn(2, 1, 3))
    exact = generator(prenet(signal), style).values
    with torch.autocast("cpu", dtype):
        made = generator(prenet(signal), style)
        logits = critic(made, style)
        loss = SPEECH.reconstruction(made, signal).sum() + logits.sum()
    assert made.values.dtype == logits.dtype == loss.dtype == torch.float32
    assert torch.allclose(made.values, exact, atol=0.05)
    loss.backward()
    for net in (prenet, generator, critic):
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
