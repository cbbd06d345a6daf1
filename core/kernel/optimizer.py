"""Adam, fused, whose steps the device itself can leave out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..stage import Adam


class Stepper:
    """torch's Adam (AdamW with weight decay), called without its wrappers where that is safe.

    A step under ``skipped`` = 1.0 changes nothing, neither weights, moments nor the step
    counts, and the host never learns of it: fused optimisers read the flag on the device.

    Args:
        parameters: what to move.
        settings: of Adam.
        rate: the learning rate; a tensor where it changes.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], settings: Adam, rate: float | Tensor
    ) -> None:
        kind = torch.optim.AdamW if settings.weight_decay else torch.optim.Adam
        self.torch: torch.optim.Optimizer = kind(
            parameters,
            lr=rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.parameters: list[Tensor] = list(parameters)
        self.call = torch._fused_adamw_ if settings.weight_decay else torch._fused_adam_
        group = self.torch.param_groups[0]
        self.options: dict[str, Any] = {
            "lr": rate,
            "beta1": settings.betas[0],
            "beta2": settings.betas[1],
            "weight_decay": settings.weight_decay,
            "eps": group["eps"],
            "amsgrad": False,
            "maximize": False,
        }
        self.uniform = len({(p.dtype, p.device) for p in parameters}) == 1
        self.ones = [torch.ones((), device=parameters[0].device)] * len(parameters)
        self.state: tuple[list[Tensor], list[Tensor], list[Tensor]] | None = None

    @torch.no_grad()
    def step(self, gradients: list[Tensor], skipped: Tensor, shrink: Tensor | None) -> None:
        """Move the parameters.

        Args:
            gradients: those there are, in the order of the parameters.
            skipped: 0-dim, 1.0 to leave the step out.
            shrink: 0-dim, what gradients are divided by; None for 1.
        """
        if self.state is None or len(gradients) < len(self.parameters):
            self.torch.grad_scale, self.torch.found_inf = shrink, skipped  # type: ignore[attr-defined]
            self.torch.step()
            self._find_state()
            return
        # The same calls as torch.optim's, whose bookkeeping costs more than they do.
        moments, squares, steps = self.state
        torch._foreach_add_(steps, self.ones)
        self.call(
            self.parameters,
            gradients,
            moments,
            squares,
            [],
            steps,
            grad_scale=shrink,
            found_inf=skipped,
            **self.options,
        )
        torch._foreach_sub_(steps, [skipped] * len(steps))

    def _find_state(self) -> None:
        states = [self.torch.state.get(parameter) for parameter in self.parameters]
        if self.uniform and all(states):
            self.state = (
                [state["exp_avg"] for state in states if state],
                [state["exp_avg_sq"] for state in states if state],
                [state["step"] for state in states if state],
            )
