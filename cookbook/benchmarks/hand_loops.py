"""CoGAN's and SyncGAN's games as one writes them by hand, the plain way: one net at a time.

Each generator is called for the critics' step and again for its own, each critic on real items
and on generated ones; torch's Adam as it comes. Both games are those of our bridges with
plain settings: non-saturating losses on logits, no penalty, average or augmentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from transmodal.core.bridges.synchronizer import Synchronizer
from transmodal.core.bridges.weight_tying import WeightTying
from transmodal.core.code import Code
from transmodal.core.signal import Signal

CPU = torch.device("cpu")

Batches = Mapping[str, Mapping[str, Tensor]]  # by draw and domain
Step = Callable[[Batches], dict[str, Tensor]]
Net = Callable[[Any], Any]


def cogan(bridge: WeightTying) -> Step:
    """CoGAN's step on the nets of a bridge: from items by draw and domain to losses."""
    makers: dict[str, Net] = {
        name: nn.Sequential(*bridge.trunk, *end) for name, end in items(bridge.ends)
    }
    critics: dict[str, Net] = {
        name: nn.Sequential(entrance, *bridge.summit) for name, entrance in items(bridge.entrances)
    }
    g = adam([bridge.trunk, bridge.ends], bridge.rate, bridge)
    d = adam([bridge.entrances, bridge.summit], bridge.critic_rate, bridge)

    def step(batches: Batches) -> dict[str, Tensor]:
        real = batches["items"]
        z = bridge.space.draw(len(next(iter(real.values()))), CPU)
        d.zero_grad()
        told = critics_loss(makers, critics, real, z)
        told.backward()
        d.step()
        g.zero_grad()
        fooled = torch.zeros(())
        for name, maker in makers.items():
            fooled = fooled + F.softplus(-critics[name](maker(Code.of(z)))).mean()
        fooled.backward()
        g.step()
        return {"discriminator/adversarial": told, "generator/adversarial": fooled}

    return step


def syncgan(bridge: Synchronizer) -> Step:
    """SyncGAN's step on the nets of a bridge of two domains.

    Strangers are neighbours in the batch, as in the bridge; the other domain's generator is
    not called again for them.
    """
    makers, critics = dict(items(bridge.generators)), dict(items(bridge.critics))
    g = adam([bridge.generators], bridge.rate, bridge)
    d = adam([bridge.critics], bridge.critic_rate, bridge)
    s = torch.optim.Adam(bridge.synchronizer.parameters(), lr=bridge.sync_rate)
    one, two = bridge.domains

    def synchrony(x: Signal, y: Signal) -> Tensor:
        strangers = Signal(y.values.roll(1, 0))
        yes = F.softplus(-bridge.synchronizer({one: x, two: y})).mean()
        no = F.softplus(bridge.synchronizer({one: x, two: strangers})).mean()
        return (yes + no) / 2

    def step(batches: Batches) -> dict[str, Tensor]:
        real, pairs = batches["items"], batches["pairs"]
        z = bridge.space.draw(len(real[one]), CPU)
        d.zero_grad()
        told = critics_loss(makers, critics, real, z)
        told.backward()
        d.step()
        s.zero_grad()
        judged = synchrony(Signal(pairs[one]), Signal(pairs[two]))
        judged.backward()
        s.step()
        g.zero_grad()
        x, y = makers[one](Code.of(z)), makers[two](Code.of(z))
        fooled = F.softplus(-critics[one](x)).mean() + F.softplus(-critics[two](y)).mean()
        tuned = bridge.synchrony * synchrony(x, y)
        (fooled + tuned).backward()
        g.step()
        return {
            "discriminator/adversarial": told,
            "synchronizer/synchrony": judged,
            "generator/adversarial": fooled,
            "generator/synchrony": tuned,
        }

    return step


def critics_loss(
    makers: Mapping[str, Net], critics: Mapping[str, Net], real: Mapping[str, Tensor], z: Tensor
) -> Tensor:
    """What the critics of all domains minimise, a scalar."""
    loss = torch.zeros(())
    for name, maker in makers.items():
        with torch.no_grad():
            made = maker(Code.of(z))
        loss = loss + F.softplus(-critics[name](Signal(real[name]))).mean()
        loss = loss + F.softplus(critics[name](made)).mean()
    return loss


def adam(modules: Iterable[nn.Module], rate: float, bridge: Any) -> torch.optim.Adam:
    """torch's Adam, as it comes, over the modules."""
    parameters = [p for module in modules for p in module.parameters()]
    return torch.optim.Adam(parameters, lr=rate, betas=(bridge.beta1, bridge.beta2))


def items(modules: nn.Module) -> Iterator[tuple[str, Any]]:
    """Names and modules of a ModuleDict."""
    return iter(modules.named_children())


def batches(data: Mapping[str, Tensor], size: int, pairs: int) -> Iterator[Batches]:
    """Batches for ever, by index: items of each domain by themselves, and rows of all domains."""
    n = len(next(iter(data.values())))
    own = {name: shuffled(n, size) for name in data}
    joint = shuffled(n, pairs)
    while True:
        drawn = {name: values.index_select(0, next(own[name])) for name, values in data.items()}
        rows = next(joint)
        together = {name: values.index_select(0, rows) for name, values in data.items()}
        yield {"items": drawn, "pairs": together}


def shuffled(n: int, size: int) -> Iterator[Tensor]:
    """Indices of batch after batch, epoch after epoch."""
    while True:
        yield from torch.randperm(n)[: n // size * size].split(size)
