"""The loop that the decoder is timed against does the same: values and gradients."""

from __future__ import annotations

import torch

from transmodal.cookbook.papers.m3d_gan import speed


def test_step_by_step_is_what_the_decoder_teaches() -> None:
    net = speed.decoder(hidden=16).double()
    code, target = speed.items(3, frames=12)
    code = speed.Code(code.tokens.double(), code.mask)
    target = speed.Signal(target.values.double(), target.lengths)
    made = []
    for way in (
        lambda: net.teach(code, target).values,
        lambda: speed.step_by_step(net, code, target),
    ):
        net.zero_grad()
        values = way()
        (values - target.values).square().sum().backward()
        slopes = {name: p.grad.clone() for name, p in net.named_parameters()}
        made.append({"values": values.detach()} | slopes)
    for name, one in made[0].items():
        torch.testing.assert_close(one, made[1][name], atol=1e-5, rtol=1e-5)


def test_sides_are_compared_in_turns() -> None:
    calls: list[int] = []
    plain, ours, ratio = speed.compare((lambda: calls.append(0), lambda: calls.append(1)), 3)
    assert calls == [0, 1, 0, 1, 1, 0, 0, 1]
    assert ratio == plain / ours
