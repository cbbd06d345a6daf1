"""A plain attention encoder-decoder, the baseline of the text task: no bridge, no subnets of ours.

Source: Bahdanau et al. 2015 (RNNsearch), with GRU of torch, teacher forcing, and the search of the
translator it is held against.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from transmodal.core.sequences.search import beam, repeated
from transmodal.core.signal import Signal
from transmodal.plugins.text.units import END


class Seq2Seq(nn.Module):
    """Units of a language -> units of another.

    Args:
        read, written: numbers of units of the two languages.
        width: of embeddings and of the decoder; each direction of the encoder has half.
        layers: of the encoder.
        dropout: of embeddings and states.
    """

    def __init__(
        self, read: int, written: int, width: int, layers: int = 2, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.read, self.written = nn.Embedding(read, width), nn.Embedding(written, width)
        self.encoder = nn.GRU(width, width // 2, layers, batch_first=True, bidirectional=True)
        self.ask, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)
        self.cell = nn.GRUCell(2 * width, width)
        self.head = nn.Linear(2 * width, written)
        self.drop = nn.Dropout(dropout)

    def encode(self, source: Signal) -> tuple[Tensor, Tensor, Tensor]:
        """States ``[b n d]``, their keys, and where they are real."""
        assert source.lengths is not None
        packed = nn.utils.rnn.pack_padded_sequence(
            self.drop(self.read(source.values)), source.lengths.cpu(), True, False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(self.encoder(packed)[0], True)
        return states, self.key(states), source.mask()

    def step(
        self, given: Tensor, state: Tensor, memory: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The next state and what it read, of the last units' embeddings ``[b d]``."""
        states, keys, real = memory
        scores = self.score(torch.tanh(self.ask(state)[:, None] + keys))[..., 0]
        weights = scores.float().masked_fill(~real, -torch.inf).softmax(1).to(states.dtype)
        context = (weights[:, None] @ states)[:, 0]
        return self.cell(torch.cat([given, context], 1), state), context

    def loss(self, source: Signal, target: Signal) -> Tensor:
        """Cross-entropy of a unit, smoothed by 0.1."""
        memory = self.encode(source)
        given = self.drop(self.written(F.pad(target.values, (1, 0))[:, :-1]))
        state = given.new_zeros(len(given), given.shape[2])
        made = []
        for i in range(given.shape[1]):
            state, context = self.step(given[:, i], state, memory)
            made.append(torch.cat([state, context], 1))
        logits = self.head(self.drop(torch.stack(made, 1)[target.mask()]))
        return F.cross_entropy(logits.float(), target.values[target.mask()], label_smoothing=0.1)

    @torch.no_grad()
    def write(self, source: Signal, longest: int, beams: int, penalty: float) -> Signal:
        """The likeliest units ``[b t]``, by ``search.beam``."""
        states, keys, real = self.encode(source)
        memory = repeated((states, keys, real), beams)
        begin = source.values.new_zeros(len(source) * beams)

        def step(state: Tensor, units: Tensor | None) -> tuple[Tensor, Tensor]:
            given = self.written(begin[: len(state)] if units is None else units)
            state, context = self.step(given, state, memory)
            return state, self.head(torch.cat([state, context], 1)).float().log_softmax(1)

        start = states.new_zeros(len(source) * beams, states.shape[2])
        found = beam(
            step, start, len(source), end=END, longest=longest, beams=beams, penalty=penalty
        )
        found.units[:, longest - 1 :].clamp_(max=END)  # as the model's texts end
        return Signal(found.units, found.lengths)
