"""Layers: subnets as ordered lists of modules, so that a bridge may share some of them.

A subnet that can be shared in part has ``layers``: modules that, one after another, do what
its ``forward`` does (without a condition, for a code of one token). A discriminator's last
layer maps features ``[b d]`` to logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from .errors import SettingError


def layers_of(subnet: nn.Module) -> list[nn.Module]:
    """The subnet's layers; itself where it tells none."""
    found = getattr(subnet, "layers", None)
    return list(found) if found is not None else [subnet]


def through(layers: Iterable[nn.Module], x: Any) -> Any:
    """``x`` through one layer after another."""
    for layer in layers:
        x = layer(x)
    return x


def made_alike(one: nn.Module, other: nn.Module) -> bool:
    """Whether two layers have the same parts, settings and shapes of weights.

    Settings are what ``repr`` tells, and attributes that are numbers, words or lists of them.
    """
    if repr(one) != repr(other):
        return False
    pairs = zip(one.modules(), other.modules(), strict=True)
    shapes = [[p.shape for p in layer.parameters()] for layer in (one, other)]
    return shapes[0] == shapes[1] and all(_settings(a) == _settings(b) for a, b in pairs)


def _settings(module: nn.Module) -> dict[str, Any]:
    return {
        key: value
        for key, value in vars(module).items()
        if not key.startswith("_")
        and key != "training"
        and all(isinstance(part, PLAIN) for part in (value if _several(value) else [value]))
    }


PLAIN = int | float | str | None


def _several(value: Any) -> bool:
    return isinstance(value, tuple | list)


def alike(chains: Mapping[str, Sequence[nn.Module]]) -> int:
    """How many layers, from the first, are made alike in all the chains."""
    count = 0
    for layers in zip(*chains.values(), strict=False):
        first, *rest = layers
        if not all(made_alike(first, other) for other in rest):
            break
        count += 1
    return count


def tied(chains: Mapping[str, Sequence[nn.Module]], count: int | None, what: str) -> int:
    """How many first layers to share: ``count``, or when None all that can be but the last.

    Raises:
        SettingError: so many are not alike, or nothing would stay a domain's own.
    """
    shortest = min(len(layers) for layers in chains.values())
    most = min(alike(chains), shortest - 1)
    if count is None:
        return most
    if count > most:
        lengths = ", ".join(f"{domain!r} {len(layers)}" for domain, layers in chains.items())
        raise SettingError(
            f"{count} layers of the {what}s cannot be tied: their layers number {lengths}, "
            f"{alike(chains)} are made alike in all domains, and the one at the data's end "
            f"stays its domain's own; tie {most} or fewer, or give the domains like settings"
        )
    return count
