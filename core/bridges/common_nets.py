"""The generators of the common space: a pathway for each domain, with a layer in common.

Shapes: b batch, r width of a domain's representation h, k width of the common representation s.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def layer(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Fully connected, BatchNorm, ReLU, dropout. BatchNorm would cancel a bias."""
    return nn.Sequential(
        nn.Linear(inputs, outputs, bias=False),
        nn.BatchNorm1d(outputs),
        nn.ReLU(),
        nn.Dropout(dropout),
    )


class Pathways(nn.Module):
    """An autoencoder of each domain, ``h -> s -> r``, the last layer of the encoders shared.

    Encoder: a layer of the domain's own; then a linear map of all domains, after which each
    has its own BatchNorm and a ReLU. Decoder: a layer and a linear map of the domain's own.
    Source: CM-GANs sec. III-E1; the BatchNorms of the shared layer are each domain's own
    (Chang et al. 2019), since one set of statistics would fit none of them.

    Args:
        widths: domain -> width of its representation, r.
        hidden: width of the layers that are a domain's own.
        common: width of s, k.
        shared: False gives every domain its own last map (the paper's ablation "without ws").
        dropout: within the encoders' first layers.
    """

    def __init__(
        self, widths: Mapping[str, int], hidden: int, common: int, shared: bool, dropout: float
    ) -> None:
        super().__init__()
        self.enter = nn.ModuleDict({d: layer(r, hidden, dropout) for d, r in widths.items()})
        maps = ["all"] if shared else list(widths)
        self.shared = shared
        self.maps = nn.ModuleDict({d: nn.Linear(hidden, common, bias=False) for d in maps})
        self.norms = nn.ModuleDict({d: nn.BatchNorm1d(common) for d in widths})
        self.leave = nn.ModuleDict(
            {
                d: nn.Sequential(*layer(common, hidden, 0.0), nn.Linear(hidden, r))
                for d, r in widths.items()
            }
        )

    def encode(self, h: Tensor, domain: str) -> Tensor:
        """``[b r]`` -> s ``[b k]``, not negative, float32."""
        x = self.maps["all" if self.shared else domain](self.enter[domain](h))
        return torch.relu(self.norms[domain](x)).float()

    def decode(self, s: Tensor, domain: str) -> Tensor:
        """``[b k]`` -> the reconstructed representation ``[b r]``, float32."""
        made: Tensor = self.leave[domain](s)
        return made.float()
