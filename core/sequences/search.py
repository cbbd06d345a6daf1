"""Search: the best sequence of units under a model that tells one unit after another.

Shapes: b items, k beams of each, v units, s steps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree

from ..config import check_number

# (state, the units chosen [b*k], None at first) -> the next state, log-probabilities [b*k v]
Step = Callable[[Any, Tensor | None], tuple[Any, Tensor]]


class Found(NamedTuple):
    """``units [b s]`` (0 past an item's end), ``lengths [b]`` with the end, ``scores [b]``."""

    units: Tensor
    lengths: Tensor
    scores: Tensor


def each(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A state with every one of its tensors changed."""
    return _pytree.tree_map(change, state)


def repeated(state: Any, beams: int) -> Any:
    """A state of ``[b ...]`` tensors -> ``[b*k ...]``, an item's beams side by side."""
    return state if beams == 1 else each(state, lambda x: x.repeat_interleave(beams, 0))


@torch.no_grad()
def beam(
    step: Step,
    state: Any,
    count: int,
    *,
    end: int,
    longest: int,
    shortest: int = 1,
    beams: int = 1,
    penalty: float = 0.0,
) -> Found:
    """The best sequence that ends, by beam search; greedy with one beam.

    The score of a sequence of n units, its end among them, is ``log p / n^penalty``. Of the 2k
    best continuations of an item's k prefixes, those that end and stand among the first k are
    finished; an item is done when it has k finished ones, or none of its prefixes can become better
    than the best of them. Items do not influence each other.

    Args:
        step: the model.
        state: before the first step; its tensors ``[b*k ...]`` follow their beams. What beams of
            an item share (see ``repeated``) is better kept out of it.
        count: b.
        end: the unit that ends a sequence.
        longest: units at most, the end among them; a prefix so long is taken as it is where
            nothing has finished.
        shortest: units at least, the end among them: none ends before.
        beams: k.
        penalty: 0 for none, 1 for the mean log-probability of a unit; longer sequences
            gain by it.

    Raises:
        SettingError: a length or a number of beams below 1, or shortest above longest.
    """
    _check_lengths("beam", shortest, longest)
    check_number("beam", "beams", beams, 1, integer=True)
    state, logs = step(state, None)
    v, device = logs.shape[1], logs.device
    rows = torch.arange(count, device=device)
    # an item's beams are alike at first: one of them speaks
    live = torch.full((count, beams), -torch.inf, device=device)
    live[:, 0] = 0
    history = torch.zeros(count, beams, longest, dtype=torch.long, device=device)
    best = torch.full((count,), -torch.inf, device=device)
    found = history[:, 0]
    lengths = torch.full((count,), longest, device=device)
    ended = torch.zeros(count, dtype=torch.long, device=device)
    done = ended > 0
    width = min(2 * beams, beams * v)
    leading = torch.arange(width, device=device) < beams
    for n in range(1, longest + 1):
        sums = live[..., None] + logs.float().view(count, beams, v)
        if n < shortest:
            sums[..., end] = -torch.inf
        scores, flat = sums.flatten(1).topk(width, 1)
        source, unit = flat // v, flat % v
        ends = unit == end
        finished = ends & leading & scores.isfinite() & ~done[:, None]
        worth, place = (scores / n**penalty).masked_fill(~finished, -torch.inf).max(1)
        better = worth > best
        ending = history[rows, source[rows, place]]
        ending[:, n - 1] = end
        best = torch.where(better, worth, best)
        found = torch.where(better[:, None], ending, found)
        lengths = torch.where(better, n, lengths)
        ended = ended + finished.sum(1)
        live, order = scores.masked_fill(ends, -torch.inf).topk(beams, 1)
        source, unit = source.gather(1, order), unit.gather(1, order)
        history = history.gather(1, source[..., None].expand(-1, -1, longest))
        history[:, :, n - 1] = unit
        done = done | (ended >= beams) | (best >= live[:, 0] / longest**penalty)
        if n == longest or bool(done.all()):
            break
        if beams > 1:
            index = (source + beams * rows[:, None]).flatten()
            state = each(state, partial(torch.index_select, dim=0, index=index))
        state, logs = step(state, unit.flatten())
    never = best == -torch.inf
    found = torch.where(never[:, None], history[:, 0], found)
    best = torch.where(never, live[:, 0] / longest**penalty, best)
    return Found(found[:, : int(lengths.max())], lengths, best)


@torch.no_grad()
def sample(
    step: Step,
    state: Any,
    count: int,
    *,
    end: int,
    longest: int,
    shortest: int = 1,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> Found:
    """A sequence drawn unit by unit from ``softmax(log p / temperature)``.

    Args:
        step, state, count, end, longest: as in ``beam`` with one beam.
        shortest: units at least, the end among them: before, draws are from the other units.
        temperature: above 0.
        top_p: draws are from the likeliest units whose shares together reach this, the one
            that crosses it among them (Holtzman et al. 2020, section 3.1); 1 for all.
        generator: draws come from it; by default from torch's global one.

    ``scores`` are log-probabilities under the model itself.

    Raises:
        SettingError: the temperature is not above 0, or top_p not in (0, 1]; a length below 1, or
            shortest above longest.
    """
    _check_lengths("sample", shortest, longest)
    check_number("sample", "temperature", temperature, 1e-6)
    check_number("sample", "top_p", top_p, 1e-6, 1)
    ids: Tensor | None = None
    made = []
    for n in range(longest):
        state, logs = step(state, ids)
        scaled = logs.float() / temperature
        if n + 1 < shortest:
            scaled[:, end] = -torch.inf
        shares, order = scaled.softmax(-1).sort(-1, descending=True)
        kept = shares * (shares.cumsum(-1) - shares < top_p)
        ids = order.gather(1, torch.multinomial(kept, 1, generator=generator))[:, 0]
        told = logs.float().gather(1, ids[:, None])[:, 0]
        if n == 0:
            scores = torch.zeros_like(told)
            running = torch.ones_like(ids, dtype=torch.bool)
            lengths = torch.zeros_like(ids)
        made.append(ids * running)
        scores, lengths = scores + told * running, lengths + running
        running = running & (ids != end)
        if not bool(running.any()):
            break
    return Found(torch.stack(made, 1), lengths, scores)


def _check_lengths(owner: str, shortest: int, longest: int) -> None:
    check_number(owner, "longest", longest, 1, integer=True)
    check_number(owner, "shortest", shortest, 1, longest, integer=True)
