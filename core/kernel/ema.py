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
    """``average <- decay * average + (1 - decay) * weights`` at every step that was taken.

    It begins at the weights themselves.

    Args:
        parameters: the weights, all on one device; ``statistics`` may be among them.
        decay: in [0, 1].
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.parameters = list(parameters)
        self.decay = decay
        self.values = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self, skipped: Tensor) -> None:
        """Follow the weights, unless ``skipped`` (a 0-dim tensor, 1.0 or 0.0) says no.

        The flag stays on the device, so the host does not wait for it.
        """
        difference = torch._foreach_sub(self.parameters, self.values)
        torch._foreach_mul_(difference, 1 - self.decay)
        for change in difference:  # statistics of a skipped step may be no numbers at all
            change.masked_fill_(skipped > 0, 0)
        torch._foreach_add_(self.values, difference)

    @torch.no_grad()
    def replace(self) -> None:
        """Let the average take the place of the weights."""
        torch._foreach_copy_(self.parameters, self.values)
