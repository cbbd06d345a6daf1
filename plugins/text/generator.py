"""The text's generator. Shapes: b batch, t units, v vocabulary, e embedding."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ...core.code import Code
from ...core.sequences.gru import exact
from ...core.sequences.reader import AttentionReader, Reading, State
from ...core.sequences.search import Found, beam, repeated, sample
from ...core.sequences.taught import Taught
from ...core.signal import Signal
from .decoding import Decoding, check_decoding
from .subnets import embedded, table
from .units import END, PAD

RAISED = 1e-2  # in nats: how far above the next a chosen unit stands that was not the likeliest


def likelihoods(logits: Tensor) -> Tensor:
    """``[... v]`` -> log-probabilities, in float32 where autocast made the logits."""
    kind = logits.dtype if logits.dtype == torch.float64 else torch.float32
    return logits.log_softmax(-1, dtype=kind)


class _Laid(torch.autograd.Function):
    """Log-probabilities of logits ``[m v]``, laid into rows of 0 ``[n v]`` at their places.

    In one piece, for each pass over so many numbers costs as much as a product that makes them.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, places: Tensor, n: int) -> Tensor:
        logs = likelihoods(logits)
        ctx.save_for_backward(logs, places)
        ctx.dtype = logits.dtype
        return logs.new_zeros(n, logs.shape[1]).index_copy_(0, places, logs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        logs, places = ctx.saved_tensors
        slope = slope.index_select(0, places)
        back = torch.ops.aten._log_softmax_backward_data(slope, logs, 1, logs.dtype)
        return back.to(ctx.dtype), None, None


class TextGenerator(nn.Module):
    """``Code`` -> ``Signal`` of log-probabilities ``[b t v]``, float32 under any autocast.

    Three ways: ``teach`` follows a text; ``forward`` in training reads, at each step, the
    expected embedding of what it made, so that gradients pass; ``forward`` in eval mode searches
    for the best text (``search.beam``) or draws one (``search.sample``), then follows it: its
    log-probabilities, each chosen unit raised to the first place where it was not there.

    Args:
        v: vocabulary.
        width: d of the code.
        condition: width of the condition; 0 for none.
        embedding: e; the last layer shares the embeddings (Press & Wolf 2017).
        how: texts are written, looked at each time; its lengths leave the end out.
        body: settings of ``AttentionReader``.
    """

    def __init__(
        self,
        v: int,
        width: int,
        condition: int,
        *,
        embedding: int,
        how: Decoding,
        **body: object,
    ) -> None:
        super().__init__()
        self.how = how
        self.table = table(v, embedding)
        self.begin = nn.Parameter(torch.zeros(embedding))
        self.body = AttentionReader(embedding, width, condition, **body)  # type: ignore[arg-type]
        self.head = nn.Linear(self.body.hidden, embedding)
        self.bias = nn.Parameter(torch.zeros(v))

    def _logits(self, features: Tensor) -> Tensor:
        """Features ``[... h]`` -> ``[... v]``, of autocast's type."""
        return nn.functional.linear(self.head(features), self.table, self.bias)

    def teach(self, code: Code, target: Signal, condition: Code | None = None) -> Taught:
        """What is made when each step is told the target's unit before it; 0 past its end."""
        return self._taught(code, target, condition)

    def _taught(
        self, code: Code, target: Signal, condition: Code | None, chosen: Tensor | None = None
    ) -> Taught:
        """``teach``, with the units ``[b t]`` of ``chosen`` raised to the first place."""
        told = embedded(target, self.table)
        first = self.begin.to(told.dtype).expand(len(told), 1, -1)
        memory = self.body.read(code, condition)
        features, alignment = self.body(memory, torch.cat([first, told[:, :-1]], 1))
        # the vocabulary is the dear part: only where there is a unit
        real = target.mask().flatten().nonzero()[:, 0]
        logits = self._logits(features.flatten(0, 1).index_select(0, real))
        if chosen is not None:
            unit, logits = chosen.flatten()[real], exact(logits)
            best, where = logits.max(1)
            below = best - logits.gather(1, unit[:, None])[:, 0]
            lift = torch.where(where == unit, 0, below + RAISED).detach()
            logits = logits.scatter_add(1, unit[:, None], lift[:, None])
        b, t = features.shape[:2]
        values = _Laid.apply(logits, real, b * t).view(b, t, -1)  # type: ignore[no-untyped-call]
        return Taught(values, target.lengths, alignment)

    def forward(self, code: Code, condition: Code | None = None) -> Taught:
        """A text of its own, up to the step at which every item has ended."""
        if self.training:
            return self._free(code, condition)
        if self.how.sampling:
            text = self.sample(code, condition, temperature=self.how.sampling)
        else:
            found = self.search(code, condition)
            text = Signal(found.units, found.lengths)
        return self._taught(code, text, condition, text.values)

    def _free(self, code: Code, condition: Code | None) -> Taught:
        reading = Reading(self.body, self.body.read(code, condition))
        state = reading.start()
        told = self.begin.expand(len(code), -1)
        made, looked, going = [], [], []
        running = torch.ones(len(code), dtype=torch.bool, device=told.device)
        for _ in range(self.how.longest + 1):
            state, features = reading.step(state, told)
            logs = likelihoods(self._logits(features))
            made.append(logs)
            looked.append(state.weights)
            going.append(running)
            running = running & (logs.detach().argmax(1) != END)
            if not bool(running.any()):
                break
            told = exact(logs.exp() @ self.table)
        mask = torch.stack(going, 1)
        values = torch.stack(made, 1) * mask[..., None]
        return Taught(values, mask.sum(1), torch.stack(looked, 1))

    def search(self, code: Code, condition: Code | None = None) -> Found:
        """The best text for each code, by beam search.

        Raises:
            SettingError: a setting of ``how`` is out of its range.
        """
        how = self.how
        check_decoding(how)
        with torch.no_grad(), self._plain(code):
            reading = Reading(self.body, repeated(self.body.read(code, condition), how.beams))
            found = beam(
                partial(self._step, reading),
                reading.start(),
                len(code),
                end=END,
                longest=how.longest + 1,
                shortest=how.shortest + 1,
                beams=how.beams,
                penalty=how.penalty,
            )
        return self._ended(found)

    def sample(
        self,
        code: Code,
        condition: Code | None = None,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Signal:
        """A text drawn for each code, as units; see ``search.sample``.

        Raises:
            SettingError: a setting is out of its range.
        """
        how = self.how
        check_decoding(how)
        with torch.no_grad(), self._plain(code):
            reading = Reading(self.body, self.body.read(code, condition))
            found = sample(
                partial(self._step, reading),
                reading.start(),
                len(code),
                end=END,
                longest=how.longest + 1,
                shortest=how.shortest + 1,
                temperature=temperature,
                top_p=top_p,
                generator=generator,
            )
        found = self._ended(found)
        return Signal(found.units, found.lengths)

    def _ended(self, found: Found) -> Found:
        """With the end in its last place, where it did not come."""
        found.units[:, self.how.longest :].clamp_(max=END)
        return found

    def _step(self, reading: Reading, state: State, units: Tensor | None) -> tuple[State, Tensor]:
        told = self.begin.expand(len(state.first), -1) if units is None else self.table[units]
        state, features = reading.step(state, told)
        logits = self._logits(features)
        logits[:, PAD] = -torch.inf
        return state, likelihoods(logits)

    @staticmethod
    def _plain(code: Code) -> torch.autocast:
        """Autocast as it is, but for weights cast without a gradient staying in its cache."""
        kind = code.tokens.device.type
        return torch.autocast(
            kind,
            dtype=torch.get_autocast_dtype(kind),
            enabled=torch.is_autocast_enabled(kind),
            cache_enabled=False,
        )
