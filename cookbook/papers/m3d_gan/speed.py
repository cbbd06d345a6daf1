"""The attention decoder against plain ways of doing the same.

    python -m transmodal.cookbook.papers.m3d_gan.speed [--rounds 9] [--record]

decoder_speedup: ``AttentionDecoder.teach``, forward and backward, against a loop that does all of
a step before the next (the keys computed once, as everybody does). The maths are the same:
tests/cookbook/test_m3d_speed.py holds values and gradients against each other.
synthesis_speedup: sixteen codes made at once against one after another.

Speech's sizes: one frame a step (r = 1) of 40 mel bins, location-sensitive attention, batch 32,
100 frames from 40 tokens, no dropout; bf16, as it is trained, and fp32. Rounds of both sides
alternate; the ratio of their medians. Time is the processor's, on one thread, so that a busy
machine disturbs it less.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import click
import torch
from torch import Tensor
from torch.nn import functional as F

from transmodal.cookbook.benchmarks.command import given, in_rounds, to_record
from transmodal.cookbook.benchmarks.turns import in_turns
from transmodal.cookbook.command import RecipeCommand
from transmodal.core.code import Code
from transmodal.core.evaluation.results import record
from transmodal.core.sequences.attention import LocationSensitive
from transmodal.core.sequences.decoder import AttentionDecoder
from transmodal.core.signal import Signal

MELS, WIDTH, TOKENS, FRAMES, BATCH, TEXTS = 40, 256, 40, 100, 32, 16
RESULTS = Path(__file__).parent / "results.json"
Sides = tuple[Callable[[], object], Callable[[], object]]


def decoder(hidden: int = 256, longest: int = FRAMES) -> AttentionDecoder:
    """Speech's decoder at r = 1, which never stops before its limit."""
    torch.manual_seed(0)
    net = AttentionDecoder(
        MELS, WIDTH, attention="location", longest=longest, hidden=hidden, dropout=0
    )
    torch.nn.init.constant_(net.head.bias[:1], -100)
    return net


def items(count: int, frames: int = FRAMES) -> tuple[Code, Signal]:
    """Codes of half as many tokens as ``TOKENS`` or more, and targets likewise."""
    g = torch.Generator().manual_seed(0)
    n = torch.randint(TOKENS // 2, TOKENS + 1, (count,), generator=g)
    t = torch.randint(frames // 2, frames + 1, (count,), generator=g)
    n[0], t[0] = TOKENS, frames
    tokens = torch.randn(count, TOKENS, WIDTH, generator=g)
    values = torch.rand(count, frames, MELS, generator=g)
    return Code(tokens, torch.arange(TOKENS) < n[:, None]), Signal(values, t)


def gated(given: Tensor, again: Tensor, state: Tensor) -> Tensor:
    """A GRU's next state, from its six gates."""
    (r, z, n), (s, y, m) = given.chunk(3, 1), again.chunk(3, 1)
    reset, update = torch.sigmoid(r + s), torch.sigmoid(z + y)
    new = torch.tanh(n + reset * m)
    return new + update * (state - new)


def cast(x: Tensor) -> Tensor:
    """As autocast would, if it is on."""
    return x.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else x


def step_by_step(net: AttentionDecoder, code: Code, target: Signal) -> Tensor:
    """What ``net.teach`` makes at r = 1, ``[b t f]``: each step done before the next begins."""
    body, attend, h = net.body, net.body.attend, 3 * net.body.hidden
    assert isinstance(attend, LocationSensitive)
    memory = body.read(code)
    # laid together and parted before the loop; autocast casts only what is a parameter just once
    inside = cast(torch.cat([body.given.weight, body.context.weight], 1))
    (one_weight, one_bias), (two_weight, two_bias) = (
        (cast(body.again.weight[part]), cast(body.again.bias[part]))
        for part in (slice(h), slice(h, None))
    )
    one = two = last = code.tokens.new_zeros(len(code), body.hidden)
    before = total = attend.start(memory.mask).to(memory.tokens.dtype)
    context = torch.bmm(before[:, None], memory.tokens)[:, 0]
    told, made = net.begin.expand(len(code), -1), []
    values = target.values * target.mask()[..., None]
    for i in range(values.shape[1]):
        x = torch.cat([body.prenet(told), context], 1)
        given = F.linear(x, inside, body.given.bias)
        one = gated(given, F.linear(one, one_weight, one_bias), one)
        given = F.linear(one, two_weight, two_bias)
        two = gated(given, body.second(two), two)
        query = one + two
        place = attend.place(attend.filters(torch.stack([before, total], 1)).transpose(1, 2))
        heard = torch.tanh(memory.keys + place + attend.query(query)[:, None])
        scores = attend.score(heard)[..., 0].masked_fill(~memory.mask, -torch.inf)
        before = scores.softmax(1)
        total = total + before
        context = torch.bmm(before[:, None], memory.tokens)[:, 0]
        mixed = body.mix(torch.cat([query, context], 1))
        last = gated(body.last.given(mixed), body.last.again(last), last)
        made.append(net.head(mixed + last)[:, 1:])
        told = values[:, i]
    return torch.stack(made, 1) * target.mask()[..., None]


def teaching(bf16: bool) -> Sides:
    """Forward and backward of a batch: step by step, and hoisted."""
    net = decoder()
    code, target = items(BATCH)

    def learn(make: Callable[[], Tensor]) -> None:
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            made = make()
        (made - target.values).abs().mean().backward()

    def plain() -> None:
        learn(lambda: step_by_step(net, code, target))

    def hoisted() -> None:
        learn(lambda: net.teach(code, target).values)

    return plain, hoisted


def synthesis() -> Sides:
    """Frames for some codes: one after another, and all at once."""
    net = decoder().eval()
    code, _ = items(TEXTS)
    assert code.mask is not None
    mask = code.mask

    @torch.no_grad()
    def singly() -> None:
        for i in range(TEXTS):
            net(Code(code.tokens[i : i + 1, : int(mask[i].sum())]))

    @torch.no_grad()
    def together() -> None:
        net(code)

    return singly, together


def compare(sides: Sides, rounds: int) -> tuple[float, float, float]:
    """Milliseconds of both sides and the ratio of their medians, in turns."""
    for side in sides:
        side()
    plain, ours = (statistics.median(times) * 1e3 for times in in_turns(sides, rounds))
    return plain, ours, plain / ours


@click.command(cls=RecipeCommand, help=__doc__)
@in_rounds(9)
@to_record
def main(rounds: int, recorded: bool) -> None:
    """Run the command line; its help is this module's docstring."""
    torch.set_num_threads(1)
    cases = {
        "decoder_speedup": teaching(bf16=True),
        "decoder_speedup/fp32": teaching(bf16=False),
        "synthesis_speedup": synthesis(),
    }
    for name, sides in cases.items():
        plain, ours, ratio = compare(sides, rounds)
        click.echo(f"{name:20} plain {plain:7.1f} ms  ours {ours:7.1f} ms  x {ratio:.2f}")
        if recorded:
            command = "python -m transmodal.cookbook.papers.m3d_gan.speed --record"
            command += given("rounds")
            record(RESULTS, name, {0: ratio}, n=rounds, command=command)


if __name__ == "__main__":
    main()
