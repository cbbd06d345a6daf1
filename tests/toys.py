"""A modality and a bridge as small as the contracts allow, for tests of everything else.

``Dots`` holds vectors in [0, 1] as JSON files; ``Swap`` joins domains by auto-encoders that
share one space. Both learn in seconds and satisfy ``transmodal.registry.contract``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from transmodal.core.bridge import Bridge
from transmodal.core.code import Code
from transmodal.core.config import check_number
from transmodal.core.errors import DataError, MediaError
from transmodal.core.modality import Metric, Modality, Preview
from transmodal.core.signal import Signal
from transmodal.core.stage import Adam, Batch, Draw, Phase, Stage
from transmodal.core.table import Memory, Table


class Encoder(nn.Module):
    """Vectors ``[b size]`` -> one token, or two."""

    def __init__(self, size: int, width: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.net = nn.Sequential(nn.Linear(size, 16), nn.Tanh(), nn.Linear(16, tokens * width))

    def forward(self, signal: Signal) -> Code:
        return Code(self.net(signal.values).unflatten(1, (self.tokens, -1)))


def pooled(code: Code) -> Tensor:
    """The mean real token ``[b d]``."""
    if code.mask is None:
        return code.tokens.mean(1)
    weight = code.mask[..., None].to(code.tokens.dtype)
    return (code.tokens * weight).sum(1) / weight.sum(1).clamp(min=1)


class Decoder(nn.Module):
    """The mean token (and a style's) -> vectors in [0, 1]."""

    def __init__(self, size: int, width: int, condition: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width + condition, 16), nn.Tanh(), nn.Linear(16, size))

    def forward(self, code: Code, style: Code | None = None) -> Signal:
        parts = [pooled(given) for given in (code, style) if given is not None]
        return Signal(torch.sigmoid(self.net(torch.cat(parts, 1))))


class Critic(nn.Module):
    def __init__(self, size: int, condition: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(size + condition, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, signal: Signal, style: Code | None = None) -> Tensor:
        parts = [signal.values, *([] if style is None else [pooled(style)])]
        return self.net(torch.cat(parts, 1)).squeeze(1)


class Dots(Modality):
    """Vectors of ``size`` numbers in [0, 1]."""

    name: ClassVar[str] = "dots"
    units: ClassVar[str] = "numbers in [0, 1]"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def __init__(self, *, size: int = 6) -> None:
        check_number("dots", "size", size, 1, 1000, integer=True)
        self.size = size

    def read(self, path: Path) -> Any:
        try:
            return torch.tensor(json.loads(path.read_text()), dtype=torch.float32)
        except (OSError, ValueError, TypeError) as error:
            raise MediaError(f"{path}: not a JSON list of numbers ({error})") from error

    def write(self, item: Any, path: Path) -> None:
        if path.suffix != ".json":
            raise MediaError(f"{path}: dots are written as .json")
        path.write_text(json.dumps(torch.as_tensor(item).tolist()))

    def collate(self, items: Sequence[Any]) -> Signal:
        if not len(items):
            raise DataError("no items to collate")
        vectors = []
        for k, item in enumerate(items):
            if not hasattr(item, "__array__"):
                raise DataError(f"item {k} is a {type(item).__name__}; give a tensor")
            vector = torch.as_tensor(item, dtype=torch.float32)
            if vector.shape != (self.size,) or not bool(((vector >= 0) & (vector <= 1)).all()):
                raise DataError(f"item {k} is not {self.size} numbers in [0, 1]")
            vectors.append(vector)
        return Signal(torch.stack(vectors))

    def split(self, signal: Signal) -> list[Any]:
        return list(signal.values.detach().cpu())

    def preview(self, item: Any) -> Preview:
        return Preview(torch.as_tensor(item).expand(3, 1, -1))

    def augment(self, signal: Signal, generator: torch.Generator) -> Signal:
        noise = 0.01 * torch.randn(signal.values.shape, generator=generator)
        return Signal((signal.values + noise.to(signal.values)).clamp(0, 1))

    def prenet(self, width: int, *, pooled: bool = False) -> nn.Module:
        return Encoder(self.size, width, 1 if pooled else 2)

    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        return Decoder(self.size, width, condition)

    def discriminator(self, *, condition: int = 0) -> nn.Module:
        return Critic(self.size, condition)

    def reconstruction(self, made: Signal, real: Signal) -> Tensor:
        return (made.values - real.values).float().square().sum(1)

    def metrics(self) -> Mapping[str, Metric]:
        return {"mse": lambda made, real: float((made.values - real.values).square().mean())}


class Swap(Bridge):
    """Auto-encoders into one space, in which items of one class are drawn together."""

    name: ClassVar[str] = "swap"

    def __init__(self, *, width: int = 4, steps: int = 20) -> None:
        super().__init__()
        check_number("swap", "width", width, 1, integer=True)
        self.width, self.steps = width, steps

    def build(self) -> None:
        modalities = self.domains.items()
        self.ends = nn.ModuleDict({k: m.prenet(self.width, pooled=True) for k, m in modalities})
        self.exits = nn.ModuleDict({k: m.generator(self.width) for k, m in modalities})

    def encode(self, signal: Signal, domain: str) -> Code:
        self.check_domain(domain)
        return self.ends[domain](signal)

    def decode(self, code: Code, domain: str, style: Code | None = None) -> Signal:
        self.check_domain(domain)
        return self.exits[domain](code)

    def prior(self, n: int) -> Code:
        return Code(torch.randn(n, 1, self.width))

    def stages(self) -> Sequence[Stage]:
        draws = [Draw("all", tuple(self.domains), 8, "aligned", labelled=True)]
        phase = Phase("swap", [self], self.objective, optimizer=Adam(lr=1e-2))
        return [Stage("swap", self.steps, [phase], draws)]

    def objective(self, batches: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        signals = batches["all"].signals
        codes = {domain: self.encode(signal, domain) for domain, signal in signals.items()}
        return {
            f"{source}->{target}": modality.reconstruction(
                self.decode(code, target), signals[target]
            ).mean()
            for source, code in codes.items()
            for target, modality in self.domains.items()
        }


def dots(n: int, size: int = 6, classes: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """n items of Dots and their classes: a bump whose place tells the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    noise = 0.2 * torch.rand(n, size, generator=generator)
    return noise + 0.7 * nn.functional.one_hot(labels * size // classes, size), labels


def table(*domains: str, n: int = 24, size: int = 6, classes: int = 2) -> Table:
    """Labelled columns of ``dots`` that share their rows."""
    columns = {
        domain: Memory(Signal(values), labels)
        for domain, (values, labels) in (
            (domain, dots(n, size, classes, seed)) for seed, domain in enumerate(domains)
        )
    }
    return Table(columns, tuple(str(k) for k in range(classes)))
