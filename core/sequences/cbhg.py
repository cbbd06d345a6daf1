"""CBHG: an encoder of sequences (a bank of convolutions, highways, a GRU both ways)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .gru import GRU, exact


class MaskedNorm(nn.Module):
    """BatchNorm of ``[b c n]`` whose statistics are of real positions only (Ioffe & Szegedy).

    Args:
        width: c.
        momentum: of the running statistics, which ``eval`` uses.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``x [b c n]``, ``mask [b 1 n]`` of 0 and 1 -> ``[b c n]``, 0 at padding."""
        x = exact(x)
        mean, var = self.running_mean, self.running_var
        if self.training:
            count = mask.sum()
            mean = (x * mask).sum((0, 2)) / count
            var = ((x - mean[:, None]).square() * mask).sum((0, 2)) / count
            with torch.no_grad():
                whole = var * (count / (count - 1).clamp(min=1))
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
                self.running_var.lerp_(whole.to(self.running_var.dtype), self.momentum)
        scale = self.weight * torch.rsqrt(var + self.eps)
        return torch.addcmul((self.bias - mean * scale)[:, None], x, scale[:, None]) * mask


class Convolved(nn.Module):
    """``[b c n]`` -> ``[b d n]``: a convolution, a ReLU where wanted, a norm."""

    def __init__(self, c: int, d: int, kernel: int, *, rectified: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv1d(c, d, kernel, bias=False)
        self.sides = (kernel - 1) // 2, kernel // 2
        self.norm = MaskedNorm(d)
        self.rectified = rectified

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.conv(F.pad(x, self.sides))
        made: Tensor = self.norm(F.relu(x) if self.rectified else x, mask)
        return made


class Highway(nn.Module):
    """``t relu(W x) + (1 - t) x`` with ``t = sigmoid(V x)`` (Srivastava et al. 2015, eq. 3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.both = nn.Linear(width, 2 * width)
        nn.init.constant_(self.both.bias[width:], -1)  # carry at first

    def forward(self, x: Tensor) -> Tensor:
        made, gate = exact(self.both(x)).chunk(2, -1)
        return torch.lerp(x, F.relu(made), torch.sigmoid(gate))


class CBHG(nn.Module):
    """``[b n width]`` -> ``[b n 2 hidden]``; padding has no influence on what is real.

    Args:
        width: of the input, which the convolutions' output is added to.
        bank: convolutions side by side, of 1 to ``bank`` positions (16 published).
        highway: layers; with 0, none (4 published).
        hidden: features of a convolution of the bank, and of the GRU in each direction.

    Source: Wang et al. 2017 (Tacotron), section 3.1. M3D-GAN, section 4, cites Tacotron 2 for
    it, which has none, and puts "four 128-unit fully-connected layers with ReLU" where the
    highways are. Max-pooling sees 0 past an item's end.
    """

    def __init__(self, width: int, bank: int = 16, highway: int = 4, hidden: int = 128) -> None:
        super().__init__()
        self.bank = nn.ModuleList(Convolved(width, hidden, k) for k in range(1, bank + 1))
        self.project = nn.ModuleList(
            [Convolved(bank * hidden, hidden, 3), Convolved(hidden, width, 3, rectified=False)]
        )
        self.highway = nn.Sequential(*(Highway(width) for _ in range(highway)))
        self.ahead = GRU(width, hidden)
        self.back = GRU(width, hidden, backward=True)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``x [b n width]`` and ``mask [b n]``, True where a position is real."""
        real = mask[:, None].to(exact(x).dtype)
        x = exact(x).transpose(1, 2) * real
        banked = torch.cat([conv(x, real) for conv in self.bank], 1)
        banked = torch.maximum(banked, F.pad(banked[..., 1:], (0, 1)))
        for conv in self.project:
            banked = conv(banked, real)
        made = self.highway((x + banked).transpose(1, 2))
        return torch.cat([self.ahead(made, mask), self.back(made, mask)], 2)
