"""A reference encoder that tells styles apart before the translator is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transmodal.cookbook.papers.latent_transfer.models import Work
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.bridges.universal_nets import ReferenceEncoder
from transmodal.core.objectives import gaussian_kl
from transmodal.core.stage import Adam, Batches, Draw, Phase, Stage
from transmodal.core.table import Table
from transmodal.core.translator import Translator


class Listener(nn.Module):
    """A reference encoder, and a linear map that tells styles by its r.

    Args:
        encoder: of the domain.
        domain: whose items and labels it reads.
        latent: width of r.
        styles: how many there are.
    """

    def __init__(self, encoder: ReferenceEncoder, domain: str, latent: int, styles: int) -> None:
        super().__init__()
        self.encoder, self.domain = encoder, domain
        self.head = nn.Linear(latent, styles)

    def loss(self, batches: Batches) -> dict[str, Tensor]:
        """Styles told through a bottleneck (Alemi et al. 2017, eq. 17), so r stays near N(0, I)."""
        batch = batches["references"]
        mean, std = self.encoder(batch.signals[self.domain].trimmed())
        logits = self.head(mean + std * torch.randn_like(std)).float()
        labels = batch.labels[self.domain].to(logits.device)
        right = (logits.argmax(1) == labels).float().mean()
        kl = 0.01 * gaussian_kl(mean, std).mean()
        return {"style": F.cross_entropy(logits, labels), "kl": kl, "right": right.detach()}


def listened(
    work: Work, tag: str, seed: int, ours: Translator, domain: str, table: Table, steps: int
) -> Translator:
    """The translator, its references of a domain telling the styles of the table's labels apart.

    They are then held still. Left to itself the encoder soon says nothing, and even one that has
    learned to tell styles drifts, all references together, before the generator has asked for
    them. M3D-GAN trains it with the rest, without labels; this is a departure.

    Args:
        work: where the trained encoder is kept.
        tag, seed: name it there.
        ours: connected; its weights are changed.
        domain: styled.
        table: real items of the domain, labelled by style.
        steps: of training, 64 items each.
    """
    bridge = ours.bridge
    assert isinstance(bridge, UniversalAttention)
    encoder = bridge.references[bridge.owner[domain]]
    assert isinstance(encoder, ReferenceEncoder)
    net = Listener(encoder, domain, bridge.latent, len(table.classes))

    def train(net: Listener) -> None:
        adam = Adam(2e-3, schedule="cosine", warmup=20)
        phase = Phase("listener", [net], net.loss, optimizer=adam, clip=1.0)
        draw = Draw("references", (domain,), 64, labelled=True, balanced=True)
        stage = Stage("listener", steps, [phase], [draw])
        work.train(f"{tag}-{seed}", net, [stage], table)

    work.keep(f"{tag}-{seed}", net, train)
    net.requires_grad_(True)
    encoder.register_forward_hook(_still)
    return ours


def _still(net: nn.Module, given: object, r: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    """What it says, without gradients for its weights; those of its input pass a held copy."""
    if all(parameter.requires_grad for parameter in net.parameters()):
        return tuple(part.detach() for part in r)
    return None
