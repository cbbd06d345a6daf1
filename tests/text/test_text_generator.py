"""The text's generator: taught, free and searched; padding and company without effect."""

from __future__ import annotations

import pytest
import torch

from transmodal.core.code import Code
from transmodal.core.sequences.taught import Taught, teach
from transmodal.core.signal import Signal
from transmodal.plugins.text.modality import Text

SMALL = {"longest": 9, "hidden": 12, "embedding": 6, "bank": 3, "critic": 8}
TEXT = Text.learned(["abcdefgh"], unit="character", **SMALL)


def batch(count: int, seed: int) -> tuple[Code, Signal]:
    """Codes of 1 to 8 tokens, and texts of 1 to 10 units, padded with what is no padding."""
    g = torch.Generator().manual_seed(seed)
    n, t = (torch.randint(1, high, (count,), generator=g) for high in (9, 11))
    mask = torch.arange(8) < n[:, None]
    tokens = torch.randn(count, 8, 5, generator=g)
    values = torch.randint(3, TEXT.vocabulary, (count, 10), generator=g)
    values[torch.arange(count), t - 1] = 1
    return Code(tokens, mask), Signal(values, t)


def test_padding_and_company_have_no_effect_over_200_random_sets_of_lengths() -> None:
    torch.manual_seed(0)
    nets = [TEXT.prenet(5), TEXT.prenet(5, pooled=True), TEXT.discriminator()]
    writer = TEXT.generator(5)
    for net in [*nets, writer]:
        net.eval()
    units, pool, judge = nets
    with torch.no_grad():
        code, texts = batch(200, 0)
        for first in range(200):
            some = torch.arange(first, first + 3) % 200
            codes, real = Code(code.tokens[some], code.mask[some]), texts[some]
            n, t = int(codes.mask[0].sum()), int(real.lengths[0])
            alone = Code(codes.tokens[:1, :n])
            text = Signal(real.values[:1, :t], real.lengths[:1])
            made, taught = teach(writer, codes, None, real), teach(writer, alone, None, text)
            assert torch.allclose(made.values[0, :t], taught.values[0], atol=1e-5)
            assert torch.allclose(made.alignment[0, :t, :n], taught.alignment[0], atol=1e-5)
            soft, own = Signal(made.values, made.lengths), Signal(taught.values, taught.lengths)
            for company, item in ((real, text), (soft, own)):
                assert torch.allclose(
                    units(company).tokens[0, :t], units(item).tokens[0], atol=1e-5
                )
                assert torch.allclose(pool(company).vector[0], pool(item).vector[0], atol=1e-5)
                assert torch.allclose(judge(company)[0], judge(item)[0], atol=1e-5)
            if first % 8 == 0:
                found, free = writer(codes), writer(alone)
                assert found.lengths[0] == free.lengths[0]
                m = int(free.lengths[0])
                assert torch.allclose(found.values[0, :m], free.values[0], atol=1e-5)


def test_taught_log_probabilities_are_those_told_unit_by_unit() -> None:
    """The whole sequence at once, against a loop that steps and is told what came before."""
    torch.manual_seed(0)
    writer = TEXT.generator(5, condition=2).eval()
    code, texts = batch(6, 1)
    style = Code(torch.randn(6, 1, 2))
    made = writer.teach(code, texts, style)
    assert isinstance(made, Taught)
    from transmodal.core.sequences.reader import Reading

    with torch.no_grad():
        reading = Reading(writer.body, writer.body.read(code, style))
        state, told = reading.start(), writer.begin.expand(6, -1)
        for i in range(texts.values.shape[1]):
            state, features = reading.step(state, told)
            logits = writer.head(features) @ writer.table.T + writer.bias
            going = i < texts.lengths
            torch.testing.assert_close(
                made.values[going, i], logits.log_softmax(1)[going], atol=1e-5, rtol=1e-5
            )
            told = writer.table[texts.values[:, i]]
    assert (made.values[~texts.mask()] == 0).all()


def test_gradients_against_finite_differences() -> None:
    torch.manual_seed(0)
    small = Text.learned(["ab"], unit="character", longest=3, hidden=3, embedding=2, dropout=0)
    writer = small.generator(2, condition=1).double()
    texts = small.collate(["ab", "b"])

    def taught(tokens: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        return writer.teach(Code(tokens), texts, Code(style)).values

    def free(tokens: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        return writer(Code(tokens), Code(style)).values

    given = [torch.randn(2, n, w).double().requires_grad_() for n, w in ((3, 2), (1, 1))]
    assert torch.autograd.gradcheck(taught, given)
    assert torch.autograd.gradcheck(free, given)
    names = dict(writer.named_parameters())
    loss = taught(*given).square().sum()
    slopes = torch.autograd.grad(loss, list(names.values()))
    for (name, weight), slope in zip(names.items(), slopes, strict=True):
        if slope.abs().max() == 0:
            continue
        place = tuple(int(i) for i in (slope.abs() == slope.abs().max()).nonzero()[0])
        with torch.no_grad():
            sums = []
            for step in (1e-5, -2e-5):
                weight[place] += step
                sums.append(float(taught(*given).square().sum()))
            weight[place] += 1e-5
        assert (sums[0] - sums[1]) / 2e-5 == pytest.approx(float(slope[place]), rel=1e-4), name


def test_the_likeliest_units_of_what_is_made_are_those_found() -> None:
    torch.manual_seed(0)
    text = Text(**TEXT.settings())
    writer = text.generator(5).eval()
    code, _ = batch(40, 2)
    for beams in (1, 4):
        text.beams = beams
        found, made = writer.search(code), writer(code)
        assert torch.equal(made.values.argmax(2) * made.mask(), found.units)
        assert torch.allclose(made.values.exp().sum(2)[made.mask()], torch.tensor(1.0))
        assert TEXT.split(made) == TEXT.split(Signal(found.units, found.lengths))


def test_greedy_is_what_training_s_free_run_would_take_first() -> None:
    torch.manual_seed(0)
    writer = TEXT.generator(5).eval()
    code, _ = batch(20, 3)
    found = writer.search(code)
    writer.train()
    for part in writer.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    made = writer(code)
    first = made.values[:, 0].argmax(1)
    assert (first == found.units[:, 0])[first != 0].all()
    assert made.values.requires_grad


def test_sampling_follows_its_generator_and_its_temperature() -> None:
    torch.manual_seed(0)
    writer = TEXT.generator(5).eval()
    code, _ = batch(30, 4)

    def drawn(seed: int, **how: float) -> torch.Tensor:
        return writer.sample(code, generator=torch.Generator().manual_seed(seed), **how).values

    assert torch.equal(drawn(0), drawn(0))
    assert not torch.equal(drawn(0), drawn(1))
    found = writer.search(code)
    for cold in (drawn(0, temperature=1e-4), drawn(0, top_p=1e-6)):
        assert torch.equal(cold, found.units)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_gives_float32_near_the_exact_result(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    writer = TEXT.generator(5).eval()
    code, texts = batch(4, 5)
    exact = writer.teach(code, texts).values
    with torch.autocast("cpu", dtype):
        writer.search(code)  # must not leave weights without gradients in autocast's cache
        made = writer.teach(code, texts)
        loss = TEXT.reconstruction(made, texts).sum()
    assert made.values.dtype == loss.dtype == torch.float32
    assert torch.allclose(made.values, exact, atol=0.05)
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in writer.parameters())
