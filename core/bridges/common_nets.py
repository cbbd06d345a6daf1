"""The networks of the common space: pathways of the domains, and their two kinds of critic.

Shapes: b batch, r width of a domain's representation h, k width of the common representation s.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..subnets import Logit


def layer(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Fully connected, BatchNorm, ReLU, dropout. BatchNorm would cancel a bias, so there is none."""
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


class InterCritic(nn.Module):
    """A domain's inter-modality critic: (s, h) -> logits ``[b]``.

    Is s the domain's own common representation of h? Source: CM-GANs sec. III-E3. Its
    BatchNorm is a LayerNorm here: BatchNorm would tell real from made by their batches.

    Args:
        common, width: of s and of h.
        hidden: of its one hidden layer.
    """

    def __init__(self, common: int, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(common + width, hidden), nn.LayerNorm(hidden), nn.ReLU(), Logit(hidden)
        )

    def forward(self, s: Tensor, h: Tensor) -> Tensor:
        logits: Tensor = self.net(torch.cat([s, h], 1))
        return logits


def strangers(labels: Tensor) -> Tensor:
    """For every item of a batch, another one of a different class, drawn at random: ``[b]``.

    Where no item is of a different class (or none has a label), any other item.

    Args:
        labels: ``[b]`` class indices, negative where unknown; b >= 2.
    """
    alike = (labels[:, None] == labels) & (labels[:, None] >= 0)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    score = torch.rand(len(labels), len(labels), device=labels.device)
    return (score - 2.0 * alike - 4.0 * itself).argmax(1)
