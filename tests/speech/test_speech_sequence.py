"""Speech made step by step: any length, any padding, and where it ends."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from transmodal.core.code import Code
from transmodal.core.errors import DataError, SettingError
from transmodal.core.sequences.attention import KINDS
from transmodal.core.sequences.taught import Taught, teach
from transmodal.core.signal import Signal
from transmodal.plugins.speech.modality import Speech
from transmodal.plugins.speech.sequence import OVER, sequence_loss
from transmodal.registry.contract import check_modality

MELS, WIDTH = 8, 12


def speech(**changes: Any) -> Speech:
    return Speech(**{"n_fft": 64, "mels": MELS, "seconds": 0.5, "reduction": 3, **changes})


def tone(seconds: float) -> np.ndarray:
    t = np.arange(round(8000 * seconds)) / 8000
    return (np.sin(2 * np.pi * (300 + 500 * t) * t) * np.hanning(len(t))).astype(np.float32)


@pytest.mark.parametrize("attention", KINDS)
def test_the_contract_holds(attention: str) -> None:
    modality = speech(trim=None, n_fft=256, attention=attention)
    check_modality(modality, [tone(0.4), tone(0.2)], width=8, round_trip=0.6)


@pytest.mark.parametrize("attention", KINDS)
def test_the_generator_attends_as_it_is_told(attention: str) -> None:
    looks = speech(attention=attention).generator(WIDTH).decoder.body.attend
    assert type(looks) is KINDS[attention]


@pytest.mark.parametrize("pooled", [False, True])
def test_the_prenet_has_the_gradient_of_finite_differences(pooled: bool) -> None:
    """In float64, in which the generator reads its code as well."""
    torch.manual_seed(0)
    modality = speech()
    prenet = modality.prenet(3, pooled=pooled).double()
    values = torch.rand(2, 5, MELS, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([5, 3])
    assert torch.autograd.gradcheck(lambda x: prenet(Signal(x, lengths)).tokens, values)
    with torch.no_grad():
        made = modality.generator(3).double()(prenet(Signal(values, lengths)))
    assert made.values.dtype == torch.float64


def test_padding_has_no_influence_over_200_sets_of_lengths() -> None:
    torch.manual_seed(0)
    modality = speech()
    prenet, pooled = modality.prenet(WIDTH), modality.prenet(WIDTH, pooled=True)
    generator, judge = modality.generator(WIDTH, condition=4), modality.discriminator(condition=4)
    nn.ModuleList([prenet, pooled, generator, judge]).eval()
    with torch.no_grad():
        for _ in range(200):
            b = int(torch.randint(2, 5, ()))
            lengths = torch.randint(1, 40, (b,))
            longest = int(lengths.max()) + int(torch.randint(0, 6, ()))
            whole = Signal(torch.rand(b, longest, MELS), lengths)
            n = torch.randint(1, 9, (b,))
            code = Code(torch.randn(b, 9, WIDTH), torch.arange(9) < n[:, None])
            style = Code(torch.randn(b, 1, 4))
            i = int(torch.randint(0, b, ()))
            one = Signal(whole.values[i : i + 1, : lengths[i]], lengths[i : i + 1])
            mine = Code(code.tokens[i : i + 1, : n[i]])
            own = Code(style.tokens[i : i + 1])
            tokens = prenet(whole)
            assert tokens.mask is not None
            real = tokens.mask[i].sum()
            assert real == -(-lengths[i] // 2)
            close(tokens.tokens[i, :real], prenet(one).tokens[0])
            close(pooled(whole).tokens[i], pooled(one).tokens[0])
            close(judge(whole, style)[i], judge(one, own)[0])
            made = teach(generator, code, style, whole)
            alone = teach(generator, mine, own, one)
            assert isinstance(made, Taught) and isinstance(alone, Taught)
            close(made.values[i, : lengths[i]], alone.values[0, : lengths[i]])
            close(modality.reconstruction(made, whole)[i], modality.reconstruction(alone, one)[0])


def close(first: torch.Tensor, second: torch.Tensor) -> None:
    scale = max(1.0, float(second.abs().max()))
    assert float((first - second).abs().max()) <= 1e-5 * scale


def test_free_running_ends_where_it_stops_or_at_the_window() -> None:
    torch.manual_seed(0)
    modality = speech()
    generator = modality.generator(WIDTH).eval()
    code = Code(torch.randn(2, 5, WIDTH))
    head = generator.decoder.head
    with torch.no_grad():
        head.bias[0] = -50
        made = generator(code)
        assert made.lengths.tolist() == [modality.frames] * 2
        assert made.alignment.sum(2) == pytest.approx(1.0, abs=1e-5)
        head.bias[0] = 50
        assert generator(code).lengths.tolist() == [3, 3]


def test_the_loss_is_of_frames_and_of_stopping() -> None:
    real = Signal(torch.rand(2, 7, MELS), torch.tensor([7, 4]))
    stops = torch.randn(2, 5)
    made = Taught(torch.rand(2, 9, MELS), torch.tensor([7, 4]), None, stops, reduction=2)
    loss = sequence_loss(made, real, 0.1)
    for i, (length, steps) in enumerate([(7, 4), (4, 2)]):
        frames = (made.values[i, :length] - real.values[i, :length]).abs().sum() / 0.1
        counted = stops[i, : steps + OVER]
        truth = torch.tensor([0.0] * (steps - 1) + [1.0] * (len(counted) - steps + 1))
        ends = F.binary_cross_entropy_with_logits(counted, truth, reduction="sum")
        assert loss[i] == pytest.approx(float(frames + ends * 2 * MELS), rel=1e-5)
    # a frame too many is held against silence
    longer = Signal(F.pad(real.values, (0, 0, 0, 2), value=0.5), torch.tensor([9, 4]))
    assert sequence_loss(longer, real, 0.1).tolist() == pytest.approx([2 * MELS * 5.0, 0.0])


def test_frames_it_is_told_are_silenced_only_in_training() -> None:
    torch.manual_seed(0)
    generator = speech(dropped=0.9).generator(WIDTH)
    generator.decoder.body.prenet.eval()
    code, target = Code(torch.randn(1, 5, WIDTH)), Signal(torch.rand(1, 30, MELS))

    def twice() -> bool:
        first, second = (generator.teach(code, target).values for _ in range(2))
        return torch.equal(first, second)

    assert not twice()
    generator.eval()
    assert twice()


def test_clips_of_every_length_have_an_answer() -> None:
    modality = speech(seconds=1.0)
    with pytest.raises(DataError, match="item 0 is silent"):
        modality.collate([np.zeros(8000, np.float32)])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        signal = modality.collate([tone(0.05), tone(60.0)])
    assert any("longer than the window of 1 s" in str(w.message) for w in said)
    made = modality.generator(WIDTH).eval()(modality.prenet(WIDTH).eval()(signal))
    assert made.values.isfinite().all()
    assert len(modality.split(made)) == 2


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_token_for_every_few_frames(stride: int) -> None:
    code = speech(stride=stride).prenet(WIDTH)(Signal(torch.rand(2, 9, MELS), torch.tensor([9, 4])))
    assert code.mask is not None
    assert code.mask.sum(1).tolist() == [-(-9 // stride), -(-4 // stride)]


def test_what_is_refused() -> None:
    with pytest.raises(SettingError, match="reduction"):
        Speech(reduction=17)
    with pytest.raises(SettingError, match="stride"):
        Speech(stride=3)
    with pytest.raises(SettingError, match="dropped"):
        Speech(dropped=1.0)
    with pytest.raises(SettingError, match="attention must be one of 'dot'"):
        Speech(attention="hard")
    with pytest.raises(DataError, match="f = 8 mel bins"):
        speech().prenet(WIDTH)(Signal(torch.rand(1, 5, MELS + 1)))


@pytest.mark.parametrize("normalise", [True, False])
def test_what_stopped_at_once_is_heard_for_a_hop(normalise: bool) -> None:
    speech = Speech(reduction=1, normalise=normalise)
    waves = speech.split(Signal(torch.full((2, 1, speech.mels), 0.5), torch.tensor([1, 1])))
    assert [len(wave) for wave in waves] == [speech.hop] * 2
    assert all(bool(wave.isfinite().all()) for wave in waves)
