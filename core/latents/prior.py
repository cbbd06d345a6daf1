"""Prior: what latent vectors are drawn from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 3.0  # of a concept's one-hot code: it should speak louder than a normal dimension


class Prior:
    """z ~ N(0, I), beside it, where there are concepts, the one-hot code of one of them.

    The papers' prior is the normal one. Where what the domains share falls into kinds, a
    generator of a continuous z must smear from one to the next, and what it makes there is
    of no kind; a drawn concept leaves nothing between. Nobody says what the concepts are.

    Args:
        normal: dimensions of the normal part.
        concepts: how many there are, all equally likely; 0 for none.
    """

    def __init__(self, normal: int, concepts: int = 0) -> None:
        self.normal, self.concepts = normal, concepts
        self.width = normal + concepts

    def draw(self, n: int, device: torch.device, truncation: float = 1.0) -> Tensor:
        """``[n width]`` draws, by torch's generator of that device.

        ``truncation`` is the standard deviation of the normal part: below 1 draws are nearer
        to the typical than those of training.
        """
        z = truncation * torch.randn(n, self.normal, device=device, dtype=torch.float32)
        if not self.concepts:
            return z
        which = torch.randint(self.concepts, (n,), device=device)
        return self._joined(z, which)

    def starts(self, count: int, device: torch.device) -> Tensor:
        """``[count width]`` points to search from, always the same; concepts take turns."""
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(count, self.normal, generator=generator, dtype=torch.float32)
        if self.concepts:
            which = torch.arange(count) % self.concepts
            z = self._joined(z, which)
        return z.to(device)

    def around(self, guess: Tensor, count: int) -> Tensor:
        """``[b count width]`` points to search from, the first being ``guess`` ``[b width]``.

        The others have the next likeliest concepts, where there are some, then are ``starts``.
        """
        ranks = min(count, max(1, self.concepts))
        likely = [guess]
        if self.concepts:
            order = guess[:, self.normal :].topk(ranks).indices
            normal = guess[:, : self.normal]
            likely = [self._joined(normal, which) for which in order.unbind(1)]
        others = self.starts(count, guess.device)[ranks:].expand(len(guess), -1, -1)
        return torch.cat([torch.stack(likely, 1), others], 1)

    def snap(self, z: Tensor) -> Tensor:
        """The same vectors with the nearest concept in full; gradients pass the normal part."""
        if not self.concepts:
            return z
        return self._joined(z[:, : self.normal], self.which(z))

    def which(self, z: Tensor) -> Tensor:
        """The concepts ``[b]`` nearest to vectors ``[b width]``."""
        return z[:, self.normal :].argmax(1)

    def miss(self, guess: Tensor, z: Tensor) -> Tensor:
        """Squared error of the normal part and cross-entropy of the concept, a scalar."""
        loss = F.mse_loss(guess[:, : self.normal].float(), z[:, : self.normal])
        if self.concepts:
            loss = loss + F.cross_entropy(guess[:, self.normal :].float(), self.which(z))
        return loss

    def _joined(self, z: Tensor, which: Tensor) -> Tensor:
        return torch.cat([z, SCALE * F.one_hot(which, self.concepts).to(z)], 1)
