"""Base models and judges: trained once, kept in the work folder, shared by every experiment."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from transmodal.cookbook.papers.latent_transfer.sets import CLASSES, Set
from transmodal.core.atomic import write_atomically
from transmodal.core.bridges.bridging_vae import BridgingVAE
from transmodal.core.errors import TrainingError
from transmodal.core.evaluation.judge import Judge, train_judge
from transmodal.core.kernel import Interrupted, Kernel, Training
from transmodal.core.kernel.progress import show
from transmodal.core.kernel.settings import Precision
from transmodal.core.latents.base import LatentModel
from transmodal.core.latents.reader import Reader
from transmodal.core.seeds import derived_seed
from transmodal.core.stage import Stage
from transmodal.core.table import Memory, Table

Net = TypeVar("Net", bound=nn.Module)
JUDGE = {"mnist": 1500, "fashion_mnist": 2500, "fsdd": 1000}  # steps


@dataclass(frozen=True)
class Work:
    """Where trained parts are kept, and how they are trained.

    Args:
        folder: of weights, states of training and measured values.
        precision: of all training.
        quick: a size for checking that everything runs, not for figures.
    """

    folder: Path
    precision: Precision = "bf16"
    quick: bool = False

    def steps(self, full: int) -> int:
        return max(2, full // 40) if self.quick else full

    def cut(self, data: Set) -> Set:
        """The whole set, or enough of it to see that everything runs."""
        if not self.quick:
            return data

        def some(column: Memory, n: int) -> Memory:
            n = min(n, len(column))
            return Memory(column.signal[:n], column.labels[:n])

        return replace(data, train=some(data.train, 1000), test=some(data.test, 150))

    def keep(self, name: str, net: Net, train: Callable[[Net], None]) -> Net:
        """The trained net of that name, out of the folder or trained now and put there."""
        from safetensors.torch import load_file, save

        path = self.folder / "weights" / f"{name}.safetensors"
        if path.is_file():
            net.load_state_dict(load_file(path))
        else:
            train(net)
            write_atomically(path, save({k: v.contiguous() for k, v in net.state_dict().items()}))
        return net.eval().requires_grad_(False)

    def train(self, name: str, net: nn.Module, stages: Sequence[Stage], table: Table) -> None:
        """Train by the kernel, resumably, with a progress bar."""
        seed = derived_seed(name) % 2**31
        settings = Training(
            precision=self.precision,
            seed=seed,
            checkpoint=self.folder / "states" / name,
        )
        for event in show(Kernel(net, stages, table, settings).run()):
            if isinstance(event, Interrupted):
                raise TrainingError(f"{event.signal} stopped {name}; run again to go on from there")


def judge(work: Work, name: str, data: Set) -> Judge:
    """The set's judge: a classifier on real training items, the same for every seed."""

    def train(net: Judge) -> None:
        trained = train_judge(
            data.modality,
            data.train.signal,
            data.train.labels,
            len(CLASSES),
            seed=12345,
            steps=work.steps(JUDGE[name]),
            show=show,
        )
        net.load_state_dict(trained.state_dict())

    return work.keep(f"judge-{name}", Judge(data.modality, len(CLASSES)), train)


def reader(work: Work, tag: str, domain: str, data: Set, labels: torch.Tensor, few: bool) -> Reader:
    """A domain's reader; with ``few`` by self-training, which also names unlabelled items."""
    torch.manual_seed(derived_seed("reader", tag))
    bridge = BridgingVAE(pseudo_labels=few, reader_steps=1200)
    net = bridge.make_reader(data.modality, len(CLASSES))
    net.steps = work.steps(net.steps)
    table = Table({domain: replace(data.train, labels=labels)}, CLASSES)

    def train(net: Reader) -> None:
        work.train(f"reader-{tag}", net, [net.stage(domain)], table)

    return work.keep(f"reader-{tag}", net, train)


def base(work: Work, tag: str, domain: str, data: Set, read: Reader | None) -> LatentModel:
    """A domain's VAE: with a reader by our default, without one as published (no labels)."""
    torch.manual_seed(derived_seed("base", tag))
    classes = len(CLASSES) if read is not None else 0
    net = BridgingVAE().make_model(domain, data.modality, classes)
    net.steps = work.steps(net.steps)
    table = Table({domain: data.train}, CLASSES)

    def train(net: LatentModel) -> None:
        both = nn.ModuleList([net] if read is None else [net, read])
        work.train(f"base-{tag}", both, net.stages(domain, read), table)

    return work.keep(f"base-{tag}", net, train)


def encoded(model: LatentModel, data: Memory, read: Reader | None, seed: int) -> Memory:
    """The latent vectors of a set's training items, as the bridge learns from them."""
    generator = torch.Generator().manual_seed(derived_seed("encoded", seed))
    with torch.autocast("cpu", torch.bfloat16):
        return model.latents(data, generator, read)


def remember(path: Path, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Measured values, out of a file or measured now and put there."""
    if path.is_file():
        found: dict[str, float] = json.loads(path.read_text())
        return found
    values = measure()
    write_atomically(path, json.dumps(values, indent=2) + "\n")
    return values
