"""Styles of universal attention: where they come from, and how references learn to tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..code import Code
from ..draws import require_held
from ..errors import DataError, SettingError, UnsupportedError
from ..modality import Modality
from ..objectives import gaussian_kl
from ..stage import Adam, Batch, Batches, Draw, Phase, Stage
from ..table import Table
from .universal_nets import ReferenceEncoder, TokenLayer

BOTTLENECK = 0.01  # weight of the KL while references listen


class Styles(nn.Module):
    """Reference encoders, and the universal tokens that make a style z of an embedding r.

    Where labels are styles, the encoders can first learn them in a stage of their own, as a
    classifier through a bottleneck (Alemi et al. 2017, eq. 17), so that r stays near N(0, I).
    M3D-GAN trains them with the rest and without labels. Then what a reference of another
    content adds is noise at first, and r falls silent before the generator has asked for it.

    Args:
        modalities: of the domains whose items are references; an encoder for each.
        width: d of their prenets' codes.
        latent: l, of r.
        style: of z.
        tokens, heads: of the ``TokenLayer``.
        classes: styles that labels name, when encoders are to learn them; 0 when not.
    """

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        width: int,
        latent: int,
        style: int,
        tokens: int,
        heads: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.references = nn.ModuleDict(
            {d: ReferenceEncoder(m, width, latent) for d, m in modalities.items()}
        )
        self.universal = TokenLayer(latent, style, tokens, heads)
        self.tellers = nn.ModuleDict({d: nn.Linear(latent, classes) for d in modalities if classes})

    def of(self, r: Tensor) -> Code:
        """The styles ``[b 1 z]`` of embeddings ``[b l]``."""
        return Code.of(self.universal(r))

    def sample(self, n: int) -> Code:
        """n styles of r ~ N(0, I), drawn by torch's generator of the CPU."""
        r = torch.randn(n, self.latent, dtype=torch.float32)
        return self.of(r.to(next(self.parameters()).device))

    def mix(self, weights: Tensor | Sequence[Sequence[float]]) -> Code:
        """Styles of weights over the universal tokens ``[b k]``, the same for every head.

        Args:
            weights: of any number type, on any device; nested lists do, too.

        Raises:
            UnsupportedError: there are no tokens.
            DataError: not one finite weight for each token.
        """
        layer = self.universal
        if layer.tokens is None:
            raise UnsupportedError("this bridge has no universal tokens to weigh (tokens is 0)")
        k, of = len(layer.tokens), layer.tokens
        try:
            weights = torch.as_tensor(weights, dtype=of.dtype, device=of.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError(f"weights are numbers [b {k}]: {error}") from error
        if weights.ndim != 2 or weights.shape[1] != k:
            raise DataError(f"weights are [b {k}], not {list(weights.shape)}")
        if not weights.isfinite().all():
            raise DataError("weights of styles are finite numbers, and some of these are not")
        return Code.of(layer.mix(weights[:, None].expand(-1, layer.heads, -1)))

    def stage(
        self, owner: Mapping[str, str], steps: int, batch: int, later: Sequence[Draw]
    ) -> Stage:
        """The encoders learn to tell styles by labels.

        Args:
            owner: domain -> the one whose encoder reads its items.
            steps: how long.
            batch: items of each domain.
            later: what the stage after it draws, which is made sure of before it.

        Raises:
            SettingError: there are no labels.
        """
        if not self.tellers:
            raise SettingError(
                "universal-attention: listening teaches references the styles that labels name, "
                "and these records have no labels; label them by style, or set listening=0"
            )

        def objective(batches: Batches) -> dict[str, Tensor]:
            terms: dict[str, Tensor] = {}
            for domain in owner:
                told = self._told(batches[domain], domain, owner[domain])
                of = f"/{domain}" if len(owner) > 1 else ""
                terms |= {name + of: term for name, term in told.items()}
            return terms

        adam = Adam(2e-3, schedule="cosine", warmup=20)
        phase = Phase(
            "references", [self.references, self.tellers], objective, optimizer=adam, clip=1.0
        )
        draws = [Draw(domain, (domain,), batch, labelled=True, balanced=True) for domain in owner]

        def held(table: Table, generator: torch.Generator) -> Table:
            require_held(later, table)
            return table

        return Stage("listening", steps, [phase], draws, held)

    def _told(self, batch: Batch, domain: str, owner: str) -> dict[str, Tensor]:
        """The terms of one domain, and how often its styles are told right."""
        mean, std = self.references[owner](batch.signals[domain].trimmed())
        logits = self.tellers[owner](mean + std * torch.randn_like(std)).float()
        labels = batch.labels[domain].to(logits.device)
        right = (logits.detach().argmax(1) == labels).float().mean()
        return {
            "style": F.cross_entropy(logits, labels),
            "kl": BOTTLENECK * gaussian_kl(mean, std).mean(),
            "right": right,
        }
