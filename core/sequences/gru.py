"""Gated recurrent units with what can leave the loop taken out of it.

``torch.nn.GRU`` computes in float32 on a CPU whatever autocast says, and its backward
direction would begin in an item's padding. Source: Cho et al. 2014, with the reset gate after
the product, as in cuDNN and ``torch.nn.GRU``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .repeated import Repeated


def exact(x: Tensor) -> Tensor:
    """``x`` in float32 if it is of a half type, else as it is (float64 stays float64)."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class _Cell(torch.autograd.Function):
    """``cell``, with its derivatives written out: autograd's would cost four times as much."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, again: Tensor, state: Tensor) -> Tensor:
        h = state.shape[-1]
        both = torch.sigmoid(given[:, : 2 * h] + again[:, : 2 * h])
        product = again[:, 2 * h :]
        new = torch.tanh(torch.addcmul(given[:, 2 * h :], both[:, :h], product))
        ctx.save_for_backward(both, product, new, state)
        return torch.lerp(new, state, both[:, h:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        both, product, new, state = ctx.saved_tensors
        h = state.shape[-1]
        reset, update = both[:, :h], both[:, h:]
        kept = slope * update
        fresh = (slope - kept) * (1 - new * new)
        inner = torch.cat([fresh * product, slope * (state - new)], 1) * (both - both * both)
        return torch.cat([inner, fresh], 1), torch.cat([inner, fresh * reset], 1), kept


def cell(given: Tensor, again: Tensor, state: Tensor) -> Tensor:
    """One step: gates ``[b 3h]`` from the input and from the state -> the next state ``[b h]``.

    Gates lie in the order reset, update, new, as in ``torch.nn.GRU``. It can be differentiated
    once.
    """
    made: Tensor = _Cell.apply(given, exact(again), state)  # type: ignore[no-untyped-call]
    return made


class GRU(nn.Module):
    """``[b t width]`` -> states ``[b t hidden]``; padding keeps the state as it was.

    Args:
        width: of the input.
        hidden: of the state, 0 at the beginning.
        backward: whether it runs from the last position to the first.
    """

    def __init__(self, width: int, hidden: int, *, backward: bool = False) -> None:
        super().__init__()
        self.hidden, self.backwards = hidden, backward
        self.given = nn.Linear(width, 3 * hidden)
        self.again = nn.Linear(hidden, 3 * hidden)
        nn.init.orthogonal_(self.again.weight)

    def start(self, x: Tensor) -> Tensor:
        """The state ``[b hidden]`` before the first step over ``x [b ...]``."""
        return exact(x).new_zeros(len(x), self.hidden)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """``[b width]`` and the state -> the next state."""
        return cell(exact(self.given(x)), self.again(state), state)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        gates = exact(self.given(x)).unbind(1)
        again = Repeated(self.again.weight.T, self.again.bias)
        real = None if mask is None or bool(mask.all()) else mask[..., None].unbind(1)
        state = self.start(x)
        states = [state] * len(gates)
        places = range(len(gates))
        for i in reversed(places) if self.backwards else places:
            after = cell(gates[i], again(state), state)
            state = after if real is None else torch.where(real[i], after, state)
            states[i] = state
        return torch.stack(states, 1)
