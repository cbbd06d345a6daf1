"""AttentionReader: the recurrent body of every sequence generator."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..code import Code
from ..subnets import check_condition
from .attention import attention
from .gru import GRU, cell, exact
from .repeated import Repeated


class Memory(NamedTuple):
    """What a decoder reads: ``tokens [b n d]``, their ``keys [b n a]``, ``mask [b n]``."""

    tokens: Tensor
    keys: Tensor
    mask: Tensor


class State(NamedTuple):
    """Where a decoder is; every part has the batch as first axis.

    ``first [b h]`` and what it makes of all gates ``again [b 6h]``, ``second [b h]`` and
    ``last [b h]``, states of its units; ``context [b d]``, ``weights [b n]`` and their sum
    ``total`` over all steps.
    """

    first: Tensor
    again: Tensor
    second: Tensor
    last: Tensor
    context: Tensor
    weights: Tensor
    total: Tensor


class AttentionReader(nn.Module):
    """Inputs ``[b s e]`` and a code -> features ``[b s h]`` and the alignment ``[b s n]``.

    A prenet reads the input (what was made in the step before); an attention RNN, two residual
    GRUs with the context as input, asks where to look; a GRU over query and context makes the
    features. A condition is laid beside each token.

    Only the attention RNN has to run step by step when the inputs are known: the prenet runs
    before it, the last GRU after it, on whole sequences. Gradients can be taken once.

    Args:
        entered: e, width of an input.
        width: d of the code.
        condition: width of the condition; 0 for none.
        kind: of attention (``attention.KINDS``).
        hidden: h.
        prenet: widths of the prenet's two layers.
        dropout: after each of them.

    Source: Wang et al. 2017 (Tacotron), sections 3.2 and 3.3, with the units of M3D-GAN, section 4.
    The last GRU is residual, as Tacotron's are.
    """

    def __init__(
        self,
        entered: int,
        width: int,
        condition: int,
        *,
        kind: str = "additive",
        hidden: int = 256,
        prenet: tuple[int, int] = (256, 128),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.condition, self.hidden = condition, hidden
        d = width + condition
        self.prenet = nn.Sequential(
            nn.Linear(entered, prenet[0]),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(prenet[0], prenet[1]),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.attend = attention(kind, d, hidden)
        self.given = nn.Linear(prenet[1], 3 * hidden)
        self.context = nn.Linear(d, 3 * hidden, bias=False)
        # of the first unit's state: its own gates at the next step, the second unit's at this
        self.again = nn.Linear(hidden, 6 * hidden)
        self.second = nn.Linear(hidden, 3 * hidden)
        self.mix = nn.Linear(hidden + d, hidden)
        self.last = GRU(hidden, hidden)

    def read(self, code: Code, condition: Code | None = None) -> Memory:
        """What is computed once for a code."""
        tokens, mask = code.tokens, code.mask
        style = check_condition(condition, self.condition)
        if style is not None:
            tokens = torch.cat([tokens, style[:, None].expand(-1, tokens.shape[1], -1)], 2)
        if mask is None:
            mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        # a weight of 0 does not silence a number that is not finite
        tokens = tokens * mask[..., None].to(tokens.dtype)
        return Memory(tokens, self.attend.keys(tokens), mask)

    def forward(self, memory: Memory, entered: Tensor) -> tuple[Tensor, Tensor]:
        """All steps, every input being known."""
        reading = Reading(self, memory)
        state = reading.start()
        queries, contexts, looked = [], [], []
        for given in exact(self.given(self.prenet(entered))).unbind(1):
            state = reading.turn(state, given)
            queries.append(state.first + state.second)
            contexts.append(state.context)
            looked.append(state.weights)
        both = torch.cat([torch.stack(queries, 1), torch.stack(contexts, 1)], 2)
        mixed = exact(self.mix(both))
        return mixed + self.last(mixed), torch.stack(looked, 1)


class Reading:
    """A reader at a memory, for steps of which each is known only after the one before."""

    def __init__(self, body: AttentionReader, memory: Memory) -> None:
        self.body, self.memory = body, memory
        self.look = body.attend.at(memory.keys, memory.mask)
        self.tokens = Repeated(memory.tokens)
        self.context = Repeated(body.context.weight.T)
        self.again = Repeated(body.again.weight.T, body.again.bias)
        self.second = Repeated(body.second.weight.T, body.second.bias)

    def start(self) -> State:
        """Before the first step."""
        zero = self.body.last.start(self.memory.tokens)
        weights = self.body.attend.start(self.memory.mask).to(zero.dtype)
        context = exact(self.tokens(weights))
        return State(zero, exact(self.again(zero)), zero, zero, context, weights, weights)

    def step(self, state: State, entered: Tensor) -> tuple[State, Tensor]:
        """One step: an input ``[b e]`` -> the next state and features ``[b h]``."""
        body = self.body
        state = self.turn(state, exact(body.given(body.prenet(entered))))
        mixed = exact(body.mix(torch.cat([state.first + state.second, state.context], 1)))
        last = body.last.step(mixed, state.last)
        return state._replace(last=last), mixed + last

    def turn(self, state: State, given: Tensor) -> State:
        """One step of the attention RNN, from the gates ``[b 3h]`` of its input."""
        h = 3 * self.body.hidden
        given = given + exact(self.context(state.context))
        first = cell(given, state.again[:, :h], state.first)
        again = exact(self.again(first))
        second = cell(again[:, h:], self.second(state.second), state.second)
        weights = self.look(first + second, state.weights, state.total)
        context = exact(self.tokens(weights))
        return State(first, again, second, state.last, context, weights, state.total + weights)
