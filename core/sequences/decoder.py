"""AttentionDecoder: codes to sequences of frames of numbers, step by step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..code import Code
from ..signal import Signal
from .gru import exact
from .reader import AttentionReader, Reading
from .taught import Taught


class AttentionDecoder(nn.Module):
    """A code -> frames ``[b t frame]``, ``reduction`` of them a step, and when to stop.

    ``teach`` follows a target, whole sequences at once but for the attention RNN; ``forward``
    is told nothing and feeds itself what it made. The last frame of a step is what the next
    step reads. An item's end is after the first step whose stop logit is above 0; gradients pass
    it as if it were the chance of having gone on (straight-through), so that a game may teach it.

    Args:
        frame: numbers in a frame.
        width: d of the code.
        condition: width of the condition; 0 for none.
        attention: kind (``attention.KINDS``).
        reduction: r, frames made in one step.
        longest: t at most, in ``forward``.
        hidden: of the recurrent units.
        prenet: widths of the decoder's prenet.
        dropout: after each of its layers, in training.
        finish: from what the last linear layer makes ``[... frame]`` to frames; by default
            nothing.

    Source: see ``AttentionReader``; the stop logit is Tacotron 2's (Shen et al. 2018, section 2.2).
    """

    def __init__(
        self,
        frame: int,
        width: int,
        condition: int = 0,
        *,
        attention: str = "location",
        reduction: int = 1,
        longest: int = 1000,
        hidden: int = 256,
        prenet: tuple[int, int] = (256, 128),
        dropout: float = 0.5,
        finish: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.frame, self.reduction, self.longest = frame, reduction, longest
        self.body = AttentionReader(
            frame, width, condition, kind=attention, hidden=hidden, prenet=prenet, dropout=dropout
        )
        self.begin = nn.Parameter(torch.zeros(frame))
        self.head = nn.Linear(hidden, reduction * frame + 1)
        nn.init.constant_(self.head.bias[:1], -4)  # an item seldom ends before it has learned to
        self.finish = finish or nn.Identity()

    def _leave(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``[b s h]`` -> frames ``[b s*r frame]`` and stop logits ``[b s]``."""
        made = exact(self.head(features))
        frames = self.finish(made[..., 1:].unflatten(2, (self.reduction, self.frame)))
        return frames.flatten(1, 2), made[..., 0]

    def teach(self, code: Code, target: Signal, condition: Code | None = None) -> Taught:
        """What is made when each step is told the target's frame before it.

        ``lengths`` are the target's, and frames past them 0.
        """
        r, t = self.reduction, target.values.shape[1]
        told = F.pad(target.values * target.mask()[..., None], (0, 0, 0, -t % r))[:, r - 1 :: r]
        first = self.begin.to(told.dtype).expand(len(told), 1, -1)
        memory = self.body.read(code, condition)
        features, alignment = self.body(memory, torch.cat([first, told[:, :-1]], 1))
        frames, stops = self._leave(features)
        values = frames[:, :t] * target.mask()[..., None]
        return Taught(values, target.lengths, alignment, stops, r)

    def forward(self, code: Code, condition: Code | None = None) -> Taught:
        """Frames up to the step at which every item has stopped; 0 past an item's end."""
        r = self.reduction
        reading = Reading(self.body, self.body.read(code, condition))
        state = reading.start()
        told = self.begin.expand(len(code), -1)
        made, ends, looked = [], [], []
        running = torch.ones(len(code), dtype=torch.bool, device=told.device)
        for _ in range(-(-self.longest // r)):
            state, features = reading.step(state, told)
            frames, end = self._leave(features[:, None])
            made.append(frames)
            ends.append(end)
            looked.append(state.weights)
            told = frames[:, -1]
            running = running & (end[:, 0] <= 0)
            if not bool(running.any()):
                break
        values, stops = torch.cat(made, 1)[:, : self.longest], torch.cat(ends, 1)
        before = (stops > 0).cumsum(1) - (stops > 0).long()  # ends before this step
        going = (before == 0).to(values.dtype)
        lengths = (going.sum(1).long() * r).clamp(max=self.longest)
        chance = F.pad(F.logsigmoid(-stops[:, :-1]).cumsum(1), (1, 0)).exp()
        # the chance of having gone on moves nothing here but passes its gradient
        going = (going + (chance - chance.detach())).repeat_interleave(r, 1)[:, : values.shape[1]]
        values = values * going[..., None]
        return Taught(values, lengths, torch.stack(looked, 1), stops, r)
