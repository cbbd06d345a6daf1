"""Spelling: units read off a code's tokens, without looking ahead or back (CTC)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..code import Code
from ..signal import Signal

BLANK = 0  # padding's number means "nothing here"


class Spelling(nn.Module):
    """Tokens -> log-probabilities of units at each, and the text they spell.

    A text is spelt by any sequence of units, one a token, that becomes it when neighbours that
    are alike are drawn together and blanks dropped. It helps a prenet to learn what is said
    before a decoder that attends can find it.

    Args:
        width: d of the code.
        size: v, units; 0 is the blank.
        end: the unit that ends a text, which is never spelt.

    Source: Graves et al. 2006 (CTC), eqs. 2 to 8.
    """

    def __init__(self, width: int, size: int, end: int) -> None:
        super().__init__()
        self.end = end
        self.head = nn.Linear(width, size)

    def forward(self, code: Code) -> Tensor:
        """``[b n d]`` -> ``[b n v]``, float32 under any autocast."""
        logits: Tensor = self.head(code.tokens)
        return logits.float().log_softmax(2)

    def loss(self, code: Code, target: Signal) -> Tensor:
        """``-log p(text | tokens)``, ``[b]`` nats; 0 where the tokens are too few to spell it.

        Args:
            code: of b items.
            target: units ``[b t]``, each text followed by its end, which is left out.
        """
        units, given = self._units(target)
        tokens = code.counts
        # torch's loss on a CPU is in float32 and wants time first
        losses: Tensor = F.ctc_loss(
            self(code).transpose(0, 1),
            units,
            tokens,
            given,
            blank=BLANK,
            reduction="none",
            zero_infinity=True,
        )
        return losses

    def _units(self, target: Signal) -> tuple[Tensor, Tensor]:
        """Units without the end, and how many."""
        ended = (target.values == self.end) & target.mask()
        return target.values, target.mask().sum(1) - ended.sum(1)

    @torch.no_grad()
    def best(self, code: Code) -> Signal:
        """Units ``[b t]``, each text with its end: the likeliest at every token, drawn together."""
        likely = self(code).argmax(2)
        texts = []
        for row, count in zip(likely, code.counts.tolist(), strict=True):
            merged = row[:count].unique_consecutive()
            spelt = merged[(merged != BLANK) & (merged != self.end)]
            texts.append(F.pad(spelt, (0, 1), value=self.end))
        lengths = torch.tensor([len(text) for text in texts], device=likely.device)
        return Signal(nn.utils.rnn.pad_sequence(texts, batch_first=True), lengths)
