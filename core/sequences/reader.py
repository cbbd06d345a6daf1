"""AttentionReader: the recurrent body of every sequence generator."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..code import Code
from ..subnets import check_condition
from .attention import attention
from .gru import GRU, cell, exact


class Memory(NamedTuple):
    """What a decoder reads, computed once: every part has the batch as first axis.

    ``tokens [b n d]``, ``keys [b n a]``, ``mask [b n]``.
    """

    tokens: Tensor
    keys: Tensor
    mask: Tensor


class State(NamedTuple):
    """Where a decoder is: states ``[b h]`` of its three units, weights and their sum ``[b n]``."""

    first: Tensor
    second: Tensor
    last: Tensor
    weights: Tensor
    total: Tensor


class AttentionReader(nn.Module):
    """Inputs ``[b s e]`` and a code -> features ``[b s h]`` and the alignment ``[b s n]``.

    A prenet reads the input (what was made in the step before); an attention RNN, two residual
    GRUs with the context as input, asks where to look; a GRU over query and context makes the
    features. A condition is laid beside each token.

    Only the attention RNN has to run step by step when the inputs are known: the prenet runs
    before it, the last GRU after it, on whole sequences.

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

    def start(self, memory: Memory) -> State:
        """Before the first step."""
        zero = self.last.start(memory.tokens)
        weights = self.attend.start(memory.mask).to(zero.dtype)
        return State(zero, zero, zero, weights, weights)

    def step(self, memory: Memory, state: State, entered: Tensor) -> tuple[State, Tensor]:
        """One step: an input ``[b e]`` -> the next state and features ``[b h]``."""
        given = exact(self.given(self.prenet(entered)))
        state, _ = self._turn(memory, state, given, self.again(state.first))
        context = exact(torch.bmm(state.weights[:, None], memory.tokens))[:, 0]
        mixed = exact(self.mix(torch.cat([state.first + state.second, context], 1)))
        last = self.last.step(mixed, state.last)
        return state._replace(last=last), mixed + last

    def _turn(
        self, memory: Memory, state: State, given: Tensor, again: Tensor
    ) -> tuple[State, Tensor]:
        """One step of the attention RNN -> the state, and the products of its first unit."""
        h = 3 * self.hidden
        context = torch.bmm(state.weights[:, None], memory.tokens)[:, 0]
        first = cell(given + exact(self.context(context)), again[:, :h], state.first)
        again = self.again(first)
        second = cell(exact(again[:, h:]), self.second(state.second), state.second)
        weights = self.attend(first + second, memory.keys, memory.mask, state.weights, state.total)
        return State(first, second, state.last, weights, state.total + weights), again

    def forward(self, memory: Memory, entered: Tensor) -> tuple[Tensor, Tensor]:
        """All steps, every input being known."""
        state = self.start(memory)
        again = self.again(state.first)
        queries, looked = [], []
        for given in exact(self.given(self.prenet(entered))).unbind(1):
            state, again = self._turn(memory, state, given, again)
            queries.append(state.first + state.second)
            looked.append(state.weights)
        alignment = torch.stack(looked, 1)
        context = exact(torch.bmm(alignment, memory.tokens))
        mixed = exact(self.mix(torch.cat([torch.stack(queries, 1), context], 2)))
        return mixed + self.last(mixed), alignment
