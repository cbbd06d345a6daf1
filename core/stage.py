"""What a bridge asks of the kernel: stages, phases, and draws from the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, nn

from .config import check_choice, check_number
from .errors import SettingError
from .signal import Signal

if TYPE_CHECKING:
    from .table import Table

UNLABELLED = -1
Schedule = Literal["constant", "cosine", "late"]  # of a learning rate, see ``Adam``


@dataclass(frozen=True)
class Draw:
    """One request to the data, answered anew at every step.

    Args:
        name: key of the batch in what the objective receives.
        domains: whose items to draw.
        size: items per domain.
        kind: ``"unpaired"`` draws each domain on its own; ``"paired"`` draws rows that hold
            all the domains, so that item i of each belongs together; ``"aligned"`` draws items
            of the same class, i by i, out of any rows; ``"mismatched"`` draws items of different
            classes, i by i, every pair of classes equally often.
        labelled: only items with a label.
        balanced: every class equally often (needs labels; items without one are left out).
            Otherwise independent and identically distributed over epochs without replacement.
    """

    name: str
    domains: tuple[str, ...]
    size: int
    kind: Literal["unpaired", "paired", "aligned", "mismatched"] = "unpaired"
    labelled: bool = False
    balanced: bool = False

    def __post_init__(self) -> None:
        check_number(f"draw {self.name!r}", "size", self.size, 1, integer=True)
        check_choice(
            f"draw {self.name!r}",
            "kind",
            self.kind,
            ("unpaired", "paired", "aligned", "mismatched"),
        )
        if not self.domains:
            raise SettingError(f"draw {self.name!r} names no domain")


@dataclass(frozen=True)
class Batch:
    """What a draw gives: a signal per domain, its labels, and the rows it came from.

    Args:
        signals: domain -> Signal of b items, on the training device.
        labels: domain -> ``[b]`` class indices, ``UNLABELLED`` (-1) where unknown.
        rows: domain -> ``[b]`` row numbers in the records, on the CPU, for error messages.
    """

    signals: Mapping[str, Signal]
    labels: Mapping[str, Tensor]
    rows: Mapping[str, Tensor]


Batches = Mapping[str, Batch]
Objective = Callable[..., Mapping[str, Tensor]]


@dataclass(frozen=True)
class Adam:
    """Settings of Adam (``weight_decay`` decoupled: AdamW).

    Args:
        lr: peak learning rate.
        betas: decay of the two moments.
        weight_decay: decoupled; 0 for plain Adam.
        schedule: ``"constant"``, ``"cosine"`` to 0 over the stage, or ``"late"``: constant for
            half of it, then a cosine to 0.
        warmup: steps of linear warm-up.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    warmup: int = 0

    def __post_init__(self) -> None:
        check_number("Adam", "lr", self.lr, 0)
        check_number("Adam", "weight_decay", self.weight_decay, 0)
        check_number("Adam", "warmup", self.warmup, 0, integer=True)
        check_choice("Adam", "schedule", self.schedule, get_args(Schedule))
        # torch takes no whole numbers, as 0 is in a recipe
        first, second = self.betas
        object.__setattr__(self, "betas", (float(first), float(second)))


@dataclass(frozen=True)
class Lazy:
    """A costly term of an objective, computed at every k-th turn only and k times as heavy.

    Source: lazy regularisation, Karras et al. 2020 (StyleGAN2), sec. 3.1.

    Args:
        name: of the term.
        term: from what the objective receives to a weighted scalar.
        every: turns from one time to the next; the first turn is one.
    """

    name: str
    term: Callable[..., Tensor]
    every: int = 16

    def __post_init__(self) -> None:
        check_number(f"lazy term {self.name!r}", "every", self.every, 1, integer=True)


@dataclass(frozen=True)
class Phase:
    """One player's turn within a step.

    Args:
        name: unique within its stage.
        learns: the modules that learn; every other one is held still, its
            BatchNorm statistics included.
        objective: from the step's batches (by draw name) to named, already weighted scalar
            terms; their sum is minimised. A term that requires no gradient is a mere note, shown
            with the losses (how often a critic is right). Where the stage has ``shared``,
            that is its second argument.
        lazy: a term that is added at every k-th turn only.
        turns: how many times it plays within a step, each on fresh batches.
        optimizer: settings of the optimiser.
        clip: largest norm of the gradients, None for no limit.
        ema: decay of the running average of what it learns (and of norms' running statistics),
            which takes the place of the weights when the stage ends; None for none.

    Raises:
        SettingError: a value out of range; the lazy term has the name of another, when played.
    """

    name: str
    learns: Sequence[nn.Module]
    objective: Objective
    lazy: Lazy | None = None
    turns: int = 1
    optimizer: Adam = field(default_factory=Adam)
    clip: float | None = None
    ema: float | None = None

    def __post_init__(self) -> None:
        check_number(f"phase {self.name!r}", "turns", self.turns, 1, integer=True)
        if self.clip is not None:
            check_number(f"phase {self.name!r}", "clip", self.clip, 0)
        if self.ema is not None:
            check_number(f"phase {self.name!r}", "ema", self.ema, 0, 1)

    def terms(self, given: Sequence[Any], lazily: bool) -> dict[str, Tensor]:
        """The terms of a turn, the lazy one included: 0 where ``lazily`` is False."""
        terms = dict(self.objective(*given))
        if self.lazy is not None and terms:
            if self.lazy.name in terms:
                raise SettingError(
                    f"phase {self.name!r} has two terms {self.lazy.name!r}, one of its objective "
                    "and the lazy one; give the lazy one another name"
                )
            term = next(iter(terms.values())).new_zeros(())
            if lazily:
                term = self.lazy.every * self.lazy.term(*given)
            terms[self.lazy.name] = term
        return terms


@dataclass(frozen=True)
class Stage:
    """A part of the training, run to its end before the next begins.

    Args:
        name: unique within the bridge.
        steps: how many times every phase plays.
        phases: the players, in order of play.
        draws: the batches each turn receives.
        prepare: makes the table the draws are taken from out of the records' table, before
            the first step (say, encodes every item by a model of an earlier stage). It must
            depend on nothing but the table, the generator it is handed and the weights that
            this stage does not teach, since a resumed run calls it again.
        shared: from the batches and the number of the step (the first is 1) to what its
            phases have in common, computed once before them, with gradients for all that
            learns; they then all play on these batches (an
            adversarial game's samples: one pass of the generator serves its critic, which
            detaches them, and itself). A phase that comes after one that moved the same
            weights cannot go back through it. Every phase then plays once a step.
    """

    name: str
    steps: int
    phases: Sequence[Phase]
    draws: Sequence[Draw]
    prepare: Callable[[Table, torch.Generator], Table] | None = None
    shared: Callable[[Batches, int], Any] | None = None

    def __post_init__(self) -> None:
        check_number(f"stage {self.name!r}", "steps", self.steps, 1, integer=True)
        if self.shared is not None and any(phase.turns > 1 for phase in self.phases):
            raise SettingError(
                f"stage {self.name!r} computes something for all its phases once a step, so "
                "each of them takes one turn; leave out turns, or shared"
            )
        for kind, names in (
            ("phase", [phase.name for phase in self.phases]),
            ("draw", [draw.name for draw in self.draws]),
        ):
            if not names or len(set(names)) < len(names):
                raise SettingError(
                    f"stage {self.name!r} needs {kind}s with distinct names, not {names}"
                )

    def given(self, batches: Batches, step: int) -> tuple[Any, ...]:
        """What the objectives receive: the batches, and what is shared where something is."""
        return (batches,) if self.shared is None else (batches, self.shared(batches, step))
