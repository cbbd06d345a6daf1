"""What must hold before the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ..errors import TrainingError
from ..stage import Stage
from .checkpoint import differences
from .distributed import World
from .phases import trainable
from .settings import Training

SHOWN = 5  # parameters an error names before it says how many more there are


def check_stages(model: nn.Module, stages: Sequence[Stage]) -> None:
    """Make sure that every phase has something to learn and every parameter is learned.

    Raises:
        TrainingError: no stage; two of one name; a phase that learns a module outside of the
            model or nothing trainable; trainable parameters that no phase claims, by name.
    """
    names = [stage.name for stage in stages]
    if not names or len(set(names)) < len(names):
        raise TrainingError(f"training needs stages with distinct names, not {names}")
    inside = {id(module) for module in model.modules()}
    claimed: set[int] = set()
    for stage in stages:
        for phase in stage.phases:
            where = f"stage {stage.name!r}, phase {phase.name!r}"
            for module in phase.learns:
                if id(module) not in inside:
                    raise TrainingError(
                        f"{where} learns a {type(module).__name__} that is no part of the model; "
                        f"register it as a submodule, so that it is moved and saved with it"
                    )
            parameters = trainable(phase.learns)
            if not parameters:
                raise TrainingError(
                    f"{where} learns nothing: its modules hold no parameter to train"
                )
            claimed.update(map(id, parameters))
    left = [
        name for name, p in model.named_parameters() if p.requires_grad and id(p) not in claimed
    ]
    if left:
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        raise TrainingError(
            f"no phase of any stage learns {', '.join(left[:SHOWN])}{more}; "
            f"add the modules to a phase's learns, or set requires_grad to False"
        )


def check_alike(
    world: World, model: nn.Module, identity: Mapping[str, Any], settings: Training
) -> None:
    """Make sure that all processes train the same, else they wait for each other in vain.

    Args:
        world: the processes.
        model, settings: of this one.
        identity: see ``state.fingerprint``.

    Raises:
        TrainingError: they do not; says what differs, and where.
    """
    given = {
        "log_every": settings.log_every,
        "patience": settings.patience,
        "checkpoint": "a folder" if settings.checkpoint else None,
        "weights": sum(tensor.numel() for tensor in model.state_dict().values()),
    }
    first, *others = world.gather({**identity, **given})
    for rank, other in enumerate(others, 1):
        for key, one, two in differences(first, other):
            raise TrainingError(
                f"the processes of a training must be given the same: {key} is {one} in process 0 "
                f"and {two} in process {rank}; give all of them the same data, settings and seed"
            )
