"""The text's prenet and discriminator. Shapes: b batch, t units, v vocabulary, d width."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.code import Code
from ...core.critics import Flat, Logit
from ...core.errors import DataError
from ...core.sequences.cbhg import CBHG
from ...core.sequences.gru import exact
from ...core.signal import Signal
from ...core.subnets import check_condition, mean_token

STRIDES = (1, 2, 2)  # of the discriminator's convolutions


def embedded(signal: Signal, weight: Tensor) -> Tensor:
    """``[b t e]``: rows of ``weight [v e]``, 0 at padding.

    Of a made text, whose values are log-probabilities ``[b t v]``, the expected row.

    Raises:
        DataError: neither units ``[b t]`` nor log-probabilities of this vocabulary.
    """
    values, v = signal.values, len(weight)
    mask = signal.mask()
    if values.is_floating_point():
        if values.ndim != 3 or values.shape[2] != v:
            raise DataError(
                f"a made text is log-probabilities [b t {v}], not {tuple(values.shape)}"
            )
        rows = exact((values.exp() * mask[..., None]) @ weight)
    else:
        wrong = values.ndim != 2 or bool(((values < 0) | (values >= v)).any())
        if wrong:
            raise DataError(
                f"a text is units [b t] below {v}, not {tuple(values.shape)} up to "
                f"{int(values.max()) if values.numel() else 0}"
            )
        rows = F.embedding(values, weight)
    return rows * mask[..., None]


def table(v: int, width: int) -> nn.Parameter:
    """A vector of about unit length for each unit."""
    return nn.Parameter(torch.randn(v, width) * width**-0.5)


class TextPrenet(nn.Module):
    """``Signal`` -> ``Code``: a token for every unit, or the mean of the hidden units.

    Embeddings go through two layers of [256, 128] features and a CBHG. The pooled token is
    ``1/L sum h_i``, as M3D-GAN reads a text that is a reference (section 7).

    Source: M3D-GAN, section 4; a linear layer brings the CBHG's 256 features to the width.
    """

    def __init__(
        self, v: int, width: int, pooled: bool, *, embedding: int, bank: int, dropout: float
    ) -> None:
        super().__init__()
        self.pooled = pooled
        self.table = table(v, embedding)
        self.layers_in = nn.Sequential(
            nn.Linear(embedding, 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, 128),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.cbhg = CBHG(128, bank)
        self.head = nn.Linear(256, width)

    def forward(self, signal: Signal) -> Code:
        mask = signal.mask()
        tokens = self.cbhg(self.layers_in(embedded(signal, self.table)), mask)
        if not self.pooled:
            return Code(exact(self.head(tokens)), mask)
        return Code.of(exact(self.head(mean_token(Code(tokens, mask)))))


class TextDiscriminator(nn.Module):
    """``Signal`` (and a condition ``Code``) -> logits ``[b]`` in float32.

    Convolutions over time, each at a stride of 2 but the first; the largest and the mean
    features of all real positions are judged. The condition enters by projection, as in
    ``core.critics.Critic``.
    """

    def __init__(self, v: int, condition: int, *, embedding: int, features: int) -> None:
        super().__init__()
        self.condition = condition
        self.table = table(v, embedding)
        self.convs = nn.ModuleList(
            nn.Conv1d(features if i else embedding, features, 5, stride, 2)
            for i, stride in enumerate(STRIDES)
        )
        self.flat = Flat(2 * features, 256)
        self.logit = Logit(256)
        self.project = nn.Linear(condition, 256, bias=False) if condition else None

    def forward(self, signal: Signal, condition: Code | None = None) -> Tensor:
        style = check_condition(condition, self.condition)
        mask = signal.mask()[:, None]
        x = embedded(signal, self.table).transpose(1, 2)
        for conv, stride in zip(self.convs, STRIDES, strict=True):
            mask = mask[..., ::stride]
            if x.shape[2] < stride:
                # torch 2.13 leaves the weight's slope unset here, in bfloat16 on a CPU
                x = F.pad(x, (0, stride - x.shape[2]))
            x = exact(F.leaky_relu(conv(x), 0.2)) * mask
        mean = x.sum(2) / mask.sum(2).clamp(min=1)
        most = x.masked_fill(~mask, torch.finfo(x.dtype).min).amax(2)
        x = self.flat(torch.cat([mean, most], 1))
        logits: Tensor = self.logit(x)
        if style is None or self.project is None:
            return logits
        match: Tensor = exact(self.project(style) * x).sum(1) / 16
        return logits + match
