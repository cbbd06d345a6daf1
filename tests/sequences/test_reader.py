"""The recurrent body: a hoisted pass equals a plain loop, padding has no effect."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from transmodal.core.code import Code
from transmodal.core.sequences.decoder import AttentionDecoder
from transmodal.core.sequences.reader import AttentionReader, Reading
from transmodal.core.signal import Signal


@pytest.mark.parametrize("kind", ["dot", "additive", "location"])
def test_the_hoisted_pass_equals_step_by_step(kind: str) -> None:
    torch.manual_seed(0)
    body = AttentionReader(5, 6, 3, kind=kind, hidden=8, prenet=(7, 4)).double().eval()
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    code = Code(torch.randn(2, 4, 6).double(), mask)
    memory = body.read(code, Code(torch.randn(2, 1, 3).double()))
    entered = torch.randn(2, 9, 5).double()
    features, alignment = body(memory, entered)
    reading = Reading(body, memory)
    state = reading.start()
    for i in range(9):
        state, made = reading.step(state, entered[:, i])
        torch.testing.assert_close(made, features[:, i])
        torch.testing.assert_close(state.weights, alignment[:, i])
    assert torch.allclose(alignment.sum(2), torch.ones(2, 9).double())
    assert (alignment[1, :, 2:] == 0).all()


def test_the_paper_s_equations() -> None:
    """The same by torch's own GRU cells and an attention written out."""
    torch.manual_seed(0)
    h, d = 8, 6
    body = AttentionReader(5, d, 0, kind="additive", hidden=h, prenet=(7, 4)).double().eval()
    tokens, entered = torch.randn(2, 4, d).double(), torch.randn(2, 3, 5).double()
    features, _ = body(body.read(Code(tokens)), entered)
    first = torch.nn.GRUCell(4 + d, h).double()
    second, last = torch.nn.GRUCell(h, h).double(), torch.nn.GRUCell(h, h).double()
    with torch.no_grad():
        first.weight_ih.copy_(torch.cat([body.given.weight, body.context.weight], 1))
        first.bias_ih.copy_(body.given.bias)
        first.weight_hh.copy_(body.again.weight[: 3 * h])
        first.bias_hh.copy_(body.again.bias[: 3 * h])
        second.weight_ih.copy_(body.again.weight[3 * h :])
        second.bias_ih.copy_(body.again.bias[3 * h :])
        second.weight_hh.copy_(body.second.weight)
        second.bias_hh.copy_(body.second.bias)
        last.weight_ih.copy_(body.last.given.weight)
        last.bias_ih.copy_(body.last.given.bias)
        last.weight_hh.copy_(body.last.again.weight)
        last.bias_hh.copy_(body.last.again.bias)
    one = two = three = torch.zeros(2, h).double()
    context = torch.zeros(2, d).double()
    attend = body.attend
    for i in range(3):
        one = first(torch.cat([body.prenet(entered[:, i]), context], 1), one)
        two = second(one, two)
        query = one + two
        inner = torch.tanh(
            tokens @ attend.key.weight.T
            + attend.key.bias
            + (query @ attend.query.weight.T)[:, None]
        )
        weights = torch.softmax(inner @ attend.score.weight[0], 1)
        context = torch.einsum("bn,bnd->bd", weights, tokens)
        mixed = body.mix(torch.cat([query, context], 1))
        three = last(mixed, three)
        torch.testing.assert_close(mixed + three, features[:, i])


@pytest.mark.parametrize("reduction", [1, 3])
def test_frames_taught_are_those_made_alone(reduction: int) -> None:
    """Fed its own frames as a target, a decoder makes them again."""
    torch.manual_seed(0)
    net = AttentionDecoder(4, 6, reduction=reduction, longest=11, hidden=16).eval()
    code = Code(torch.randn(3, 5, 6))
    with torch.no_grad():
        made = net(code)
        again = net.teach(code, Signal(made.values, made.lengths))
    assert made.values.shape == (3, 11, 4)
    assert made.steps.tolist() == [-(-11 // reduction)] * 3
    torch.testing.assert_close(again.values, made.values, atol=1e-5, rtol=1e-5)
    assert again.alignment.shape == made.alignment.shape
    assert torch.allclose(again.stops, made.stops, atol=1e-5)


def test_an_item_stops_alone_where_it_stops_in_company() -> None:
    torch.manual_seed(0)
    net = AttentionDecoder(4, 6, reduction=2, longest=40, hidden=16).eval()
    code = Code(torch.randn(8, 5, 6))
    with torch.no_grad():
        net.head.bias[0] -= net(code).stops.max(1).values.median()  # half of them stop
        made = net(code)
        assert len(set(made.lengths.tolist())) > 2
        for i, n in enumerate(made.lengths.tolist()):
            alone = net(Code(code.tokens[i : i + 1]))
            assert alone.lengths.tolist() == [n]
            assert alone.values.shape[1] == n
            assert torch.allclose(made.values[i, :n], alone.values[0], atol=1e-5)
            assert (made.values[i, n:] == 0).all()


def test_gradients_reach_the_stop_logit_through_a_game() -> None:
    torch.manual_seed(0)
    net = AttentionDecoder(4, 6, longest=5, hidden=16)
    F.relu(net(Code(torch.randn(2, 3, 6))).values).sum().backward()
    assert bool(net.head.weight.grad[0].any())
