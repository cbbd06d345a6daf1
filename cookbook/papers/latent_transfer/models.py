"""Base models and judges: trained once, kept in the work folder, shared by every experiment."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from transmodal.cookbook.judging import kept_judge
from transmodal.cookbook.papers.latent_transfer.sets import CLASSES, Set
from transmodal.cookbook.work import Work, weights_file
from transmodal.core.bridges.bridging_vae import BridgingVAE
from transmodal.core.evaluation.judge import Judge
from transmodal.core.latents.base import LatentModel
from transmodal.core.latents.reader import Reader
from transmodal.core.seeds import derived_seed
from transmodal.core.table import Table

JUDGE = {"mnist": 1500, "fashion_mnist": 2500, "fsdd": 1000}  # steps


def judge(work: Work, name: str, data: Set) -> Judge:
    """The set's judge: a classifier on real training items, the same for every seed."""
    return kept_judge(
        work, f"judge-{name}", data.modality, len(CLASSES), lambda: data.train,
        seed=12345, steps=work.steps(JUDGE[name]),
    )  # fmt: skip


def reader_file(tag: str) -> str:
    """The file of the ``reader`` of a tag, in the work folder."""
    return weights_file(f"reader-{tag}")


def base_file(tag: str) -> str:
    """The file of the ``base`` of a tag, in the work folder."""
    return weights_file(f"base-{tag}")


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
