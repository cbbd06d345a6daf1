"""Teacher: a slow copy of a classifier that names items nobody labelled."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..kernel.distributed import average
from ..stage import UNLABELLED


class Teacher(nn.Module):
    """The running average of modules, and the names it gives.

    Source: mean teachers (Tarvainen & Valpola 2017), names as in FixMatch (Sohn et al. 2020,
    sec. 2.2) with the alignment of distributions of ReMixMatch (Berthelot et al. 2020, sec. 3.1),
    towards classes of equal size and by the square root only. Where several processes train,
    what is seen of the classes is the mean over all their items.

    Args:
        modules: what to average; they are copied.
        classes: number of classes.
        decay: of the average, in [0, 1].
        sure: a name counts where its aligned probability is above this.
    """

    seen: Tensor

    def __init__(
        self, modules: Sequence[nn.Module], classes: int, decay: float, sure: float = 0.9
    ) -> None:
        super().__init__()
        self.copies = nn.ModuleList(copy.deepcopy(list(modules))).requires_grad_(False)
        self.decay, self.sure = decay, sure
        self.register_buffer("seen", torch.full((classes,), 1 / classes))
        self.register_buffer("steps", torch.zeros(()))

    @torch.no_grad()
    def follow(self, modules: Sequence[nn.Module]) -> None:
        """One step towards the weights of ``modules``; the first steps are longer."""
        steps = self.get_buffer("steps").add_(1)
        part = 1 - torch.minimum(steps.new_tensor(self.decay), steps / (steps + 9))
        mine: list[Tensor] = list(self.copies.parameters())
        theirs: list[Tensor] = list(nn.ModuleList(modules).parameters())
        difference = torch._foreach_sub(theirs, mine)
        torch._foreach_mul_(difference, part)
        torch._foreach_add_(mine, difference)
        for own, other in zip(self.copies.buffers(), nn.ModuleList(modules).buffers(), strict=True):
            own.copy_(other)

    @torch.no_grad()
    def name(self, logits: Tensor) -> Tensor:
        """``[b]`` class indices of logits ``[b classes]``, ``UNLABELLED`` where not sure."""
        shares = logits.float().softmax(1).nan_to_num(0)
        mean = shares.mean(0)
        # a step whose numbers are not finite says nothing of the classes
        told = torch.where(logits.isfinite().all(), mean, self.seen)
        self.seen.lerp_(average(told), 0.02)
        aligned = shares / self.seen.sqrt()
        best = (aligned / aligned.sum(1, keepdim=True)).max(1)
        return best.indices.masked_fill(~(best.values > self.sure), UNLABELLED)
