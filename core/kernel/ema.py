"""EMA: a running average of the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def statistics(modules: Sequence[nn.Module]) -> list[Tensor]:
    """The running means and variances of norms: averaged weights want averages of these too."""
    found = {
        id(buffer): buffer
        for module in modules
        for name, buffer in module.named_buffers()
        if name.rpartition(".")[2] in ("running_mean", "running_var")
    }
    return list(found.values())


class Average:
    """``average <- d_t average + (1 - d_t) weights`` at every step t = 0, 1, ... that was taken.

    It begins at the weights themselves, which are random, and so must forget them soon:
    ``d_t = min(decay, (1 + t) / (10 + t))`` (as in TensorFlow's ExponentialMovingAverage). A
    constant 0.998 still holds 13 % of its start after 1,000 steps.

    Args:
        parameters: the weights, all on one device; ``statistics`` may be among them.
        decay: in [0, 1].
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.parameters = list(parameters)
        self.decay = decay
        self.values = [parameter.detach().clone() for parameter in self.parameters]
        self.taken = self.values[0].new_zeros((), dtype=torch.float32)  # t

    @torch.no_grad()
    def update(self, skipped: Tensor) -> None:
        """Follow the weights, unless ``skipped`` (a 0-dim tensor, 1.0 or 0.0) says no.

        The flag stays on the device, so the host does not wait for it.
        """
        share = (9 / (10 + self.taken)).clamp(min=1 - self.decay)  # 1 - d_t
        difference = torch._foreach_sub(self.parameters, self.values)
        torch._foreach_mul_(difference, share)
        for change in difference:  # statistics of a skipped step may be no numbers at all
            change.masked_fill_(skipped > 0, 0)
        torch._foreach_add_(self.values, difference)
        self.taken += 1 - skipped

    @torch.no_grad()
    def replace(self) -> None:
        """Let the average take the place of the weights."""
        torch._foreach_copy_(self.parameters, self.values)
