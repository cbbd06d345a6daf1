"""Gated mixing layers, and the conditional VAE made of them."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST_STD = 1e-4


class GatedMixing(nn.Module):
    """GML: ``(1 - g) * (V u + c) + g * d``  with  ``[d; a] = W h + b``  and  ``g = sigmoid(a)``.

    At the start g is about 1/2 and the output half a linear map of the input: a good start where
    input and output are both nearly Gaussian.

    Source: Latent Domain Transfer App. B, Fig. 8a; the equation is from the authors' code (the
    skip ``V u`` is a learned projection of the whole input, domain bits included).

    Args:
        inputs: width of u, the input of the network.
        hidden: width of h, its last hidden layer.
        outputs: width of the output.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.skip = nn.Linear(inputs, outputs)
        self.candidate = nn.Linear(hidden, 2 * outputs)

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        d, a = self.candidate(h).chunk(2, -1)
        mixed: Tensor = torch.lerp(self.skip(u), d, torch.sigmoid(a))
        return mixed


class ConditionalVAE(nn.Module):
    """One VAE over the latent vectors of several domains, told which by a one-hot D.

    Source: Latent Domain Transfer App. B, Fig. 8b: multilayer perceptrons of ReLU layers with
    GML heads; std by softplus.

    Args:
        inputs: width of z.
        width: width of z', the shared latent.
        domains: number of domains; 0 to tell neither network (the paper's first ablation).
        hidden, depth: of the perceptrons.
    """

    def __init__(self, inputs: int, width: int, domains: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.domains = domains
        self.encoder = _perceptron(inputs + domains, hidden, depth)
        self.mean = GatedMixing(inputs + domains, hidden, width)
        self.std = GatedMixing(inputs + domains, hidden, width)
        self.decoder = _perceptron(width + domains, hidden, depth)
        self.out = GatedMixing(width + domains, hidden, inputs)

    def encode(self, z: Tensor, domain: Tensor) -> tuple[Tensor, Tensor]:
        """q(z'|z, D): mean and standard deviation ``[b width]``.

        Args:
            z: ``[b inputs]``.
            domain: ``[b]`` domain indices.
        """
        u = self._told(z, domain)
        h = self.encoder(u)
        return self.mean(u, h).float(), F.softplus(self.std(u, h).float()) + SMALLEST_STD

    def decode(self, shared: Tensor, domain: Tensor) -> Tensor:
        """g(z', D): ``[b inputs]``."""
        u = self._told(shared, domain)
        z: Tensor = self.out(u, self.decoder(u)).float()
        return z

    def _told(self, x: Tensor, domain: Tensor) -> Tensor:
        if not self.domains:
            return x
        # A comparison, not one_hot: that one looks at the data and so waits for the device.
        bits = domain[:, None] == torch.arange(self.domains, device=x.device)
        return torch.cat([x, bits.to(x.dtype)], 1)


def _perceptron(inputs: int, hidden: int, depth: int) -> nn.Sequential:
    widths = [inputs] + [hidden] * depth
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers)
