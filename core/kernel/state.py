"""State: what of a run must be saved for it to go on exactly, and how it is put back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from ..bridge import Bridge
from ..errors import CheckpointError
from ..stage import Stage
from ..table import Column, Table
from .checkpoint import State
from .phases import Player
from .settings import Training


def fingerprint(
    model: nn.Module, stages: Sequence[Stage], table: Table, settings: Training, world: int
) -> dict[str, Any]:
    """What makes a run what it is, flat: another value of any of it gives other weights."""
    found: dict[str, Any] = {
        "precision": settings.precision,
        "seed": settings.seed,
        "accumulate": settings.accumulate,
        "processes": world,
        "stages": [stage.name for stage in stages],
        "domains": sorted(table.columns),
        "classes": list(table.classes),
    }
    if isinstance(model, Bridge):
        found["bridge"] = repr(model)
        if model.begun_from:
            found["begun_from"] = model.begun_from
        for domain, modality in model.domains.items():
            found[f"{domain}.modality"] = repr(modality)
    for stage in stages:
        found[f"{stage.name}.steps"] = stage.steps
        found[f"{stage.name}.draws"] = [asdict(draw) for draw in stage.draws]
        found[f"{stage.name}.phases"] = [phase.name for phase in stage.phases]
        for phase in stage.phases:
            where = f"{stage.name}.{phase.name}"
            found[f"{where}.optimizer"] = asdict(phase.optimizer)
            for field in ("turns", "clip", "ema"):
                found[f"{where}.{field}"] = getattr(phase, field)
            if phase.lazy is not None:
                found[f"{where}.{phase.lazy.name}"] = phase.lazy.every
    for domain, column in table.columns.items():
        order = torch.stack([column.labels, column.rows]).long().numpy().tobytes()
        found[f"{domain}.items"] = len(column)
        found[f"{domain}.labels"] = hashlib.sha256(order).hexdigest()[:16]
        found[f"{domain}.sample"] = _sample(column)
    return found


def _sample(column: Column) -> str:
    """A digest of a few items, which tells other data of the same labels."""
    few = torch.linspace(0, len(column) - 1, min(8, len(column)), dtype=torch.float64).long()
    values = column.take(few).values.detach().float().cpu().contiguous()
    return hashlib.sha256(values.numpy().tobytes()).hexdigest()[:16]


def tensors_of(model: nn.Module, players: Sequence[Player]) -> dict[str, Tensor]:
    """Every tensor of a run by name. They are the live ones, not copies."""
    found = {f"model/{name}": tensor for name, tensor in _weights(model)}
    for player in players:
        where = f"phase/{player.phase.name}"
        for i, parameter in enumerate(player.parameters):
            for key, value in player.stepper.torch.state.get(parameter, {}).items():
                found[f"{where}/optimizer/{i}/{key}"] = value
        if player.average is not None:
            for i, value in enumerate(player.average.values):
                found[f"{where}/average/{i}"] = value
            found[f"{where}/averaged"] = player.average.taken
        if player.schedule is not None:
            found[f"{where}/taken"] = player.schedule.taken
    return found


def facts_of(players: Sequence[Player]) -> dict[str, Any]:
    """What is no tensor, by phase."""
    return {
        player.phase.name: {
            "streak": player.streak,
            "skipped": player.skipped,
            "scaler": None if player.scaler is None else player.scaler.state_dict(),
        }
        for player in players
    }


def restore_model(model: nn.Module, state: State) -> None:
    """Fill the model's weights and buffers.

    Raises:
        CheckpointError: one is missing, of another shape, or unknown here; named.
    """
    _fill(state, {f"model/{name}": tensor for name, tensor in _weights(model)}, "model/")


def restore_players(players: Sequence[Player], state: State) -> None:
    """Fill optimisers, averages, schedules, scalers and counts.

    Raises:
        CheckpointError: a field is missing, of another shape, or unknown here; named.
    """
    wanted: dict[str, Tensor] = {}
    for player in players:
        where = f"phase/{player.phase.name}"
        for i, parameter in enumerate(player.parameters):
            if f"{where}/optimizer/{i}/step" in state.tensors:
                # empty_like keeps the memory format, which fused optimisers rely on.
                player.stepper.torch.state[parameter] = {
                    "step": torch.empty((), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.empty_like(parameter, requires_grad=False),
                    "exp_avg_sq": torch.empty_like(parameter, requires_grad=False),
                }
    for name, tensor in tensors_of(nn.Module(), players).items():
        wanted[name] = tensor
    _fill(state, wanted, "phase/")
    for player in players:
        facts = state.facts["phases"][player.phase.name]
        player.streak, player.skipped = facts["streak"], facts["skipped"]
        if player.scaler is not None:
            player.scaler.load_state_dict(facts["scaler"])
        if player.schedule is not None:
            player.schedule.look_up()


def _weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


@torch.no_grad()
def _fill(state: State, wanted: Mapping[str, Tensor], prefix: str) -> None:
    given = {name: t for name, t in state.tensors.items() if name.startswith(prefix)}
    for name in sorted({*wanted, *given}):
        here, there = wanted.get(name), given.get(name)
        if here is None or there is None or here.shape != there.shape or here.dtype != there.dtype:
            raise CheckpointError(
                f"{state.path}: {name} is {_describe(there)} there and {_describe(here)} here; "
                f"the model has changed, train it in another folder"
            )
    for name, tensor in wanted.items():
        tensor.copy_(given[name])


def _describe(tensor: Tensor | None) -> str:
    if tensor is None:
        return "missing"
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
