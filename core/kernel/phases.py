"""Phases at play: one optimiser, one scaler, one average and one history each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import TrainingError
from ..stage import Batches, Phase
from .distributed import World, agree, parallel
from .ema import Average, statistics
from .history import History
from .optimizer import Stepper
from .precision import autocast, make_scaler
from .schedule import Schedule
from .settings import Training

Feed = Iterator[Batches]
Given = Iterator[Sequence[Any]]  # an objective's arguments, one set for each batch
_NOTHING: AbstractContextManager[None] = nullcontext()


def trainable(modules: Sequence[nn.Module]) -> list[nn.Parameter]:
    """The parameters of the modules that require gradients, each once."""
    found = {id(p): p for module in modules for p in module.parameters() if p.requires_grad}
    return list(found.values())


class Player:
    """A phase made ready to play its turns in one stage.

    Args:
        stage: name of the stage, for errors.
        phase: what to play.
        parameters: those that learn.
        steps: turns it plays in the whole stage.
        window: turns between two readings of its history, at most.
        settings: of the run.
        world: the processes it plays in, and where.
        done: turns it has played before.
    """

    def __init__(
        self,
        stage: str,
        phase: Phase,
        parameters: Sequence[nn.Parameter],
        steps: int,
        window: int,
        settings: Training,
        world: World,
        done: int = 0,
    ) -> None:
        device = world.device
        self.where = f"stage {stage!r}, phase {phase.name!r}"
        self.phase = phase
        self.parameters = list(parameters)
        self.hold(True)
        self.parallel = parallel(phase, world)
        self.hold(False)
        self.terms: Callable[..., Mapping[str, Tensor]] = self.parallel or phase.terms
        self.accumulate = settings.accumulate
        self.autocast = autocast(settings.precision, device)
        self.scaler = make_scaler(settings.precision, device)
        self.history = History(window, settings.accumulate, device)
        self.statistics = statistics(phase.learns)
        self.buffers = list({id(b): b for m in phase.learns for b in m.buffers()}.values())
        self.before: list[Tensor] = []
        averaged = [*self.parameters, *self.statistics]
        self.average = None if phase.ema is None else Average(averaged, phase.ema)
        chosen = phase.optimizer
        moving = chosen.schedule != "constant" or chosen.warmup > 0
        self.schedule = Schedule(chosen, steps, device) if moving else None
        rate = self.schedule.rate if self.schedule else chosen.lr
        self.stepper = Stepper(self.parameters, chosen, rate)
        self.one = torch.ones((), device=device)
        self.streak = self.skipped = 0  # steps left out: in a row up to now, in all
        self.every = 1 if phase.lazy is None else phase.lazy.every
        self.turn = done

    def hold(self, learning: bool) -> None:
        """Let this phase's modules learn, or hold them still."""
        for module in self.phase.learns:
            module.train(learning)
        for parameter in self.parameters:
            parameter.requires_grad = learning

    def note(self) -> None:
        """Copy the statistics of norms, which a step that is skipped gives back."""
        self.before = [now.clone() for now in self.statistics]

    def play(self, given: Given) -> None:
        """One turn: gradients of the next batches, one step of the optimiser."""
        for parameter in self.parameters:
            parameter.grad = None
        lazily = self.turn % self.every == 0
        self.turn += 1
        for batch in range(self.accumulate):
            arguments = next(given)
            with self.autocast, self._alone(batch):
                terms = self.terms(arguments, lazily)
            if not terms or tuple(terms) != self.history.names:
                self._meet(terms)
            values = [term.float() for term in terms.values()]
            total = sum(values[1:], values[0])
            if self.accumulate > 1:
                total = total / self.accumulate
            (total if self.scaler is None else self.scaler.scale(total)).backward()
            self.history.put([value.detach() for value in values], batch)
        self._step()

    def _alone(self, batch: int) -> AbstractContextManager[None]:
        """Gradients are averaged over processes at the last batch of a turn only."""
        if self.parallel is None or batch == self.accumulate - 1:
            return _NOTHING
        return self.parallel.no_sync()

    def _step(self) -> None:
        scaler, clip = self.scaler, self.phase.clip
        if scaler is not None:
            scaler.unscale_(self.stepper.torch)
        skipped = self.history.flag()
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        shrink = None
        if clip is None:
            torch._amp_foreach_non_finite_check_and_unscale_(gradients, skipped, self.one)
        else:
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
            torch.ne(norm - norm, 0, out=skipped)
            shrink = ((norm + 1e-6) / clip).clamp_(min=1)
        self.stepper.step(gradients, skipped, shrink)
        for now, before in zip(self.statistics, self.before, strict=True):
            now.copy_(torch.where(skipped > 0, before, now))
        if self.parallel is not None:  # others read them before its next turn
            agree(self.buffers)
        if scaler is not None:
            scaler.update()
        if self.schedule is not None:
            self.schedule.update(skipped)
        if self.average is not None:
            self.average.update(skipped)
        self.history.step += 1

    def _meet(self, terms: Mapping[str, Tensor]) -> None:
        names = tuple(terms)
        if self.history.names or not names:
            raise TrainingError(
                f"{self.where}: the objective gave the terms {list(names)}, "
                f"earlier {list(self.history.names)}; give the same ones at every step"
            )
        for name, term in terms.items():
            if not isinstance(term, Tensor) or term.shape != ():
                found = tuple(term.shape) if isinstance(term, Tensor) else type(term).__name__
                raise TrainingError(
                    f"{self.where}: the term {name!r} must be a scalar tensor, not {found}; "
                    f"sum or average it"
                )
        if not any(term.requires_grad for term in terms.values()):
            raise TrainingError(
                f"{self.where}: the objective depends on nothing that this phase learns"
            )
        self.history.name(names)
