"""The universal attention module: a reference's embedding, and the tokens it attends to.

Shapes: b batch, n tokens of a code, d its width, l width of the reference embedding r, z width
of a style, k universal tokens, h heads.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..code import Code
from ..modality import Modality
from ..signal import Signal

CHANNELS = (64, 64, 128, 128)
SMALLEST_STD = 1e-4  # keeps the KL finite when a posterior collapses to a point


class ReferenceEncoder(nn.Module):
    """``Signal`` -> mean and standard deviation ``[b l]`` of the reference embedding r.

    A prenet of its own, four convolutions of stride 2 along its tokens, a GRU whose state after
    an item's last token is the embedding, and two linear heads. A convolution sees zeros past
    an item's end, so padding has no influence.

    Source: M3D-GAN sec. 4, Enc_r: channels [64, 64, 128, 128], GRU of 128; the heads are of
    Eq. 3. Departs from it: the convolutions run along tokens only (a picture's, row after row),
    their norm is over the features of a position, and a text is read as any other sequence,
    where sec. 7 takes the mean of its prenet's units.

    Args:
        modality: of the references.
        width: d of the prenet's code.
        latent: l.
    """

    def __init__(self, modality: Modality, width: int, latent: int) -> None:
        super().__init__()
        self.prenet = modality.prenet(width)
        sizes = (width, *CHANNELS)
        self.convs = nn.ModuleList(
            nn.Conv1d(c, d, 3, 2, 1) for c, d in zip(sizes, CHANNELS, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(d) for d in CHANNELS)
        self.gru = nn.GRU(CHANNELS[-1], CHANNELS[-1], batch_first=True)
        self.start = nn.Parameter(torch.zeros(CHANNELS[-1]))
        self.heads = nn.Linear(CHANNELS[-1], 2 * latent)
        # means further apart than the noise: else the KL wins before r has said anything
        nn.init.xavier_normal_(self.heads.weight[:latent], 2.0)
        nn.init.constant_(self.heads.bias[latent:], -3.0)

    def train(self, mode: bool = True) -> ReferenceEncoder:
        """As of any module; only the GRU stays as it is in training.

        cuDNN takes no slopes through an RNN in eval mode, and a reference held still passes them
        on. One layer without dropout does the same in both.
        """
        super().train(mode)
        self.gru.train()
        return self

    def forward(self, signal: Signal) -> tuple[Tensor, Tensor]:
        code: Code = self.prenet(signal)
        x, mask = code.tokens, code.mask
        if mask is None:
            mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = (x * mask[..., None]).transpose(1, 2)
            if x.shape[2] == 1:  # torch 2.13's bf16 gradient of such a kernel is not initialised
                x = F.pad(x, (0, 1))  # and one zero more changes nothing
            x = conv(x).transpose(1, 2)
            x = F.relu(norm(x))
            mask = mask[:, ::2]
        states, _ = self.gru(x, self.start.to(x.dtype).expand(1, len(x), -1).contiguous())
        last = mask.sum(1).clamp(min=1) - 1
        embedding = states[torch.arange(len(states), device=last.device), last]
        mean, raw = self.heads(embedding).float().chunk(2, 1)
        return mean, F.softplus(raw) + SMALLEST_STD


class TokenLayer(nn.Module):
    """r ``[b l]`` -> style ``[b z]``: a mixture of tokens that all domains share.

    Each of h heads asks with a map of r and takes a softmax mixture of its maps of tanh of the
    k tokens; a linear map joins the heads. Without tokens (k = 0) the style is a linear map
    of r: the ablation "w/o Att".

    Source: M3D-GAN sec. 4, the universal token layer; tanh, the spread of the tokens and the
    number of heads are of GST (Wang et al. 2018, sec. 3.2.2), which it follows.

    Args:
        latent: l.
        style: z, a multiple of the heads.
        tokens: k.
        heads: h.
    """

    def __init__(self, latent: int, style: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.heads, self.latent = heads, latent
        self.tokens = nn.Parameter(0.5 * torch.randn(tokens, style // heads)) if tokens else None
        if tokens:
            self.ask = nn.Linear(latent, style)
            self.key = nn.Linear(style // heads, style)
            self.value = nn.Linear(style // heads, style)
        self.join = nn.Linear(style if tokens else latent, style)
        if tokens:  # sharp enough from the start that z tells one r from another
            nn.init.normal_(self.ask.weight, 0, 2 * latent**-0.5)
            for net in (self.key, self.value):
                nn.init.normal_(net.weight, 0, 2 * (style // heads) ** -0.5)
            nn.init.xavier_normal_(self.join.weight, 1.5)

    def forward(self, r: Tensor) -> Tensor:
        if self.tokens is None:
            style: Tensor = self.join(r)
            return style
        return self.mix(self.weights(r))

    def weights(self, r: Tensor) -> Tensor:
        """``[b h k]``: what each head gives each token; they sum to 1 over tokens."""
        assert self.tokens is not None
        ask = self.ask(r).unflatten(1, (self.heads, -1))
        key = self.key(self.tokens.tanh()).unflatten(1, (self.heads, -1))
        scores = torch.einsum("bhe,khe->bhk", ask, key) / math.sqrt(key.shape[2])
        return scores.float().softmax(2)

    def mix(self, weights: Tensor) -> Tensor:
        """The style ``[b z]`` of weights ``[b h k]``."""
        assert self.tokens is not None
        value = self.value(self.tokens.tanh()).unflatten(1, (self.heads, -1))
        mixed = torch.einsum("bhk,khe->bhe", weights.to(value.dtype), value)
        style: Tensor = self.join(mixed.flatten(1))
        return style
