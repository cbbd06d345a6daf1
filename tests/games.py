"""A modality whose subnets tell their layers, and tables of it, for tests of coupled GANs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from kernel_toys import same
from torch import Tensor, nn

from transmodal.core.code import Code
from transmodal.core.kernel import Kernel, Progress, Saved, Training
from transmodal.core.layers import through
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table

from toys import Dots, pooled

SMALL: dict[str, Any] = {
    "latent": 4, "steps": 2, "batch": 6, "inverse_steps": 2, "r1": 0.1, "augment": False,
    "game": "non-saturating", "ema": 0.9, "reach": 2.0,
    "inversion": {"name": "adam", "steps": 4, "restarts": 2},
}  # fmt: skip


OWN: dict[str, dict[str, Any]] = {
    "weight-tying": {"lead": 0.5},
    "synchronizer": {
        "pairs": 6, "sync_steps": 2, "sync_augment": False, "sync_dropout": 0.0, "sync_r1": 0.0,
        "anchoring": 0.0,
        "choosing": 0.0,
    },
}  # fmt: skip


def quick(kind: Any, **changes: Any) -> Any:
    """A bridge of this kind with little of everything, whatever its defaults are."""
    return kind(**{**SMALL, **OWN[kind.name], **changes})


class Hidden(nn.Module):
    def __init__(self, wide: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(wide, out)

    def forward(self, x: Any) -> Tensor:
        x = pooled(x) if isinstance(x, Code) else x
        x = x.values if isinstance(x, Signal) else x
        return nn.functional.leaky_relu(self.linear(x), 0.2)


class Out(nn.Module):
    def __init__(self, wide: int, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(wide, size)

    def forward(self, x: Tensor) -> Signal:
        return Signal(torch.sigmoid(self.linear(x).float()))


class Verdict(nn.Module):
    def __init__(self, wide: int) -> None:
        super().__init__()
        self.linear = nn.Linear(wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)[:, 0].float()


class Chained(nn.Module):
    """Layers one after another; a condition is laid beside what comes in."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Any, style: Code | None = None) -> Any:
        return through(self.layers, beside(x, style))


def beside(x: Any, style: Code | None) -> Any:
    """What comes in, a condition laid beside it."""
    if style is None:
        return x
    return torch.cat([pooled(x) if isinstance(x, Code) else x.values, pooled(style)], 1)


class Beside(nn.Module):
    """Signals laid beside each other -> logits."""

    def __init__(self, size: int, count: int) -> None:
        super().__init__()
        self.net = nn.Sequential(Hidden(size * count, 16), Verdict(16))

    def forward(self, *signals: Signal) -> Tensor:
        return self.net(torch.cat([x.values for x in signals], 1))


class Chain(Dots):
    """Dots whose generator has three layers and whose discriminator has three."""

    name: ClassVar[str] = "chain"

    def __init__(self, *, size: int = 6, hidden: int = 16) -> None:
        super().__init__(size=size)
        self.hidden = hidden

    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        h = self.hidden
        return Chained(Hidden(width + condition, h), Hidden(h, h), Out(h, self.size))

    def discriminator(self, *, condition: int = 0) -> nn.Module:
        h = self.hidden
        return Chained(Hidden(self.size + condition, h), Hidden(h, h), Verdict(h))

    def joint_discriminator(self, count: int) -> nn.Module:
        return Beside(self.size, count)


def connected(bridge: Any, domains: Sequence[str] = ("a", "b"), classes: int = 0) -> Any:
    """The bridge joined to domains of ``Chain`` of its own each, from one seed."""
    torch.manual_seed(3)
    bridge.connect({d: Chain() for d in domains}, classes)
    return bridge


def columns(paired: bool, n: int = 40, *domains: str, labelled: bool = False) -> Table:
    """Vectors of two kinds, high at the front or at the back; domain b is a turned over.

    Rows are shared only if paired.
    """
    made = {}
    for i, domain in enumerate(domains or ("a", "b")):
        generator = torch.Generator().manual_seed(0 if paired else i)
        labels = torch.randint(2, (n,), generator=generator)
        front = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
        values = torch.where(labels[:, None] == 1, front, 1 - front) * 0.8 + 0.1
        values = values + 0.05 * torch.randn(n, 6, generator=generator)
        values = (1 - values if i == 1 else values).clamp(0, 1)
        rows = torch.arange(n) + (0 if paired else i * n)
        known = labels if labelled else torch.full_like(labels, -1)
        made[domain] = Memory(Signal(values), known, rows)
    return Table(made, ("back", "front") if labelled else ())


def play(bridge: Any, table: Table, **settings: Any) -> list[Progress]:
    """Train to the end; every step's losses."""
    chosen = Training(**{"device": "cpu", "log_every": 1, **settings})
    events = list(Kernel(bridge, bridge.stages(), table, chosen).run())
    bridge.eval()
    return [event for event in events if isinstance(event, Progress)]


def goes_on_alike(made: Callable[[], tuple[Any, Table]], stop: int, folder: Path) -> bool:
    """Whether a training stopped at its ``stop``-th save goes on to the bits of a whole one.

    Args:
        made: a connected bridge and its table, the same at every call.
        stop: which save, from 1.
        folder: of the checkpoints.
    """
    whole, table = made()
    play(whole, table)
    broken, _ = made()
    chosen = Training(device="cpu", log_every=1, checkpoint=folder, save_every=0.0)
    saves = 0
    for event in Kernel(broken, broken.stages(), table, chosen).run():
        saves += isinstance(event, Saved)
        if saves == stop:
            break
    assert saves == stop
    again, _ = made()
    play(again, table, checkpoint=folder)
    return same(whole.state_dict(), again.state_dict())


def batches(bridge: Any, table: Table) -> Any:
    """What the game's phases receive at its second step: batches, and what was made."""
    stage = next(stage for stage in bridge.stages() if stage.name == "game")
    torch.manual_seed(1)
    return stage.given(next(table.feed(stage.draws, seed=0)), 2)
