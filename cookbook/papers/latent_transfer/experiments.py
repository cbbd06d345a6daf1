"""The paper's experiments: transfer (Table 2), labels (Table 3), ablation (Table 4)."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch

from transmodal.cookbook.judging import heard
from transmodal.cookbook.papers.latent_transfer.labels import few
from transmodal.cookbook.papers.latent_transfer.models import (
    base,
    base_file,
    judge,
    reader,
    reader_file,
)
from transmodal.cookbook.papers.latent_transfer.sets import CLASSES, Set, cut, load
from transmodal.cookbook.work import Work, translator_file
from transmodal.core.bridges.bridging_vae import BridgingVAE
from transmodal.core.evaluation.judge import Judge
from transmodal.core.evaluation.transfer import Evaluation, evaluate_transfer
from transmodal.core.kernel.settings import Precision
from transmodal.core.latents.base import LatentModel
from transmodal.core.latents.reader import Reader
from transmodal.core.stage import UNLABELLED
from transmodal.core.table import Table
from transmodal.core.translator import Translator

PAIRS = (("mnist", "mnist"), ("mnist", "fashion_mnist"), ("mnist", "fsdd"))
ABLATION: dict[str, dict[str, Any]] = {
    "unconditional": {"conditional": False, "swd": 0.0},
    "conditional": {"swd": 0.0},
    "conditional+swd": {},
}
HEARD = 1000  # clips turned into sound and read again


class Domain:
    """One end of an experiment: its data, judge and trained base model, when they are needed."""

    def __init__(self, work: Work, name: str, set_name: str, seed: int) -> None:
        self.work, self.name, self.set_name = work, name, set_name
        self.tag = f"{name}-{seed}"
        self.unlabelled = f"{self.tag}-unlabelled"

    @cached_property
    def data(self) -> Set:
        """Training and test items."""
        return cut(load(self.set_name, self.work.validate), self.work.quick)

    @cached_property
    def judge(self) -> Judge:
        """Reads items, real or made."""
        return judge(self.work, self.set_name, self.data)

    def labelled(self) -> tuple[LatentModel, Reader]:
        """The base model that learned from all labels, and its reader."""
        labels = self.data.train.labels
        read = reader(self.work, self.tag, self.name, self.data, labels, few=False)
        return base(self.work, self.tag, self.name, self.data, read), read

    def without_labels(self) -> LatentModel:
        """The base model that learned from no labels, as published."""
        return base(self.work, self.unlabelled, self.name, self.data, None)


def ends(work: Work, source: str, target: str, seed: int) -> tuple[Domain, Domain]:
    """Two domains; of the same set, they differ in the seed of all that is trained."""
    second = f"{target}_b" if source == target else target
    return Domain(work, source, source, seed), Domain(work, second, target, seed)


def labelled_files(domains: tuple[Domain, Domain]) -> list[str]:
    """What ``labelled`` keeps of both domains, in the work folder."""
    return [file(domain.tag) for domain in domains for file in (base_file, reader_file)]


def unlabelled_files(domains: tuple[Domain, Domain]) -> list[str]:
    """What ``without_labels`` keeps of both domains, in the work folder."""
    return [base_file(domain.unlabelled) for domain in domains]


def bridged(
    work: Work,
    domains: tuple[Domain, Domain],
    models: tuple[LatentModel, LatentModel],
    labels: tuple[torch.Tensor, torch.Tensor],
    seed: int,
    precision: Precision | None = None,
    **settings: Any,
) -> Translator:
    """A translator of trained base models, its bridge trained on these labels."""
    bridge = BridgingVAE(**{"reading": 0.0, **settings})
    bridge.steps = work.steps(bridge.steps)
    named = zip(domains, models, labels, strict=True)
    translator = Translator({d.name: d.data.modality for d in domains}, bridge)
    known = any((given != UNLABELLED).any() for given in labels)
    translator.connect(CLASSES if known else (), seed=seed)
    columns = {}
    for domain, model, given in named:
        bridge.adopt(domain.name, model)
        columns[domain.name] = replace(domain.data.train, labels=given)
    translator.fit(Table(columns, CLASSES), precision=precision or work.precision, seed=seed)
    return translator


def judged(translator: Translator, domains: tuple[Domain, Domain]) -> Evaluation:
    """The translator on the test items of both domains, read by their judges."""
    return evaluate_transfer(
        lambda signal, source, target: translator.translate_signal(signal, source, target),
        {d.name: d.data.test.signal for d in domains},
        {d.name: d.data.test.labels for d in domains},
        {d.name: d.judge for d in domains},
        CLASSES,
        seen=lambda signal, domain: translator.translate_signal(signal, domain, domain),
    )


def transfer(work: Work, source: str, target: str, seed: int) -> dict[str, float]:
    """Both directions between two sets, all training items labelled."""
    domains = ends(work, source, target, seed)

    def measure() -> dict[str, float]:
        trained = [domain.labelled()[0] for domain in domains]
        labels = (domains[0].data.train.labels, domains[1].data.train.labels)
        started = time.perf_counter()
        translator = bridged(work, domains, (trained[0], trained[1]), labels, seed)
        values = {"seconds": time.perf_counter() - started}
        evaluation = judged(translator, domains)
        for found in evaluation.transfers:
            way = f"{found.source}->{found.target}"
            values[way] = found.accuracy
            values[f"{way}/agreement"] = found.agreement
            values[f"{way}/n"] = found.n
            if found.frechet is not None:
                values[f"{way}/frechet"] = found.frechet
        for domain, accuracy in evaluation.judges.items():
            values[f"judge/{domain}"] = accuracy
        if target == "fsdd":
            values |= sounded(translator, domains)
        translator.save(work.translator(tag, seed))
        return values

    tag = f"{source}-{target}"
    of = [*labelled_files(domains), translator_file(tag, seed)]
    return work.remember(f"{tag}-{seed}", measure, of)


def sounded(translator: Translator, domains: tuple[Domain, Domain]) -> dict[str, float]:
    """Accuracy on clips that went to sound (Griffin-Lim) and back to log-mels."""
    source, target = domains
    test = source.data.test
    made = translator.translate_signal(test.signal[:HEARD], source.name, target.name)
    waves = target.data.modality.split(made)
    share = heard(target.judge, target.data.modality, waves, test.labels[:HEARD])
    name = f"{source.name}->{target.name}/heard"
    return {name: share, f"{name}/n": len(waves)}


def with_labels(work: Work, count: int, seed: int) -> dict[str, float]:
    """MNIST -> MNIST with ``count`` labels in all; base models without labels, as published.

    Each domain knows half of the labels, and no picture is labelled in both. Ten labels cannot
    be shared out so that each domain has every class: there both know the same ten pictures.
    """
    domains = ends(work, "mnist", "mnist", seed)
    naming = {d: f"{d.tag}-{count}" for d in domains if 0 < count < len(d.data.train)}  # readers

    def measure() -> dict[str, float]:
        models = (domains[0].without_labels(), domains[1].without_labels())
        values: dict[str, float] = {"n": len(domains[0].data.test)}
        given = []
        for half, domain in enumerate(domains):
            truth = domain.data.train.labels
            if count >= len(truth):
                labels = truth
            elif count == 10:
                labels = few(truth, 10, seed, None)
            else:
                labels = few(truth, count // 2, seed, half)
            if domain in naming:
                read = reader(work, naming[domain], domain.name, domain.data, labels, few=True)
                column = replace(domain.data.train, labels=labels)
                with torch.autocast("cpu", torch.bfloat16, enabled=work.precision == "bf16"):
                    named = read.name(Table({domain.name: column}, CLASSES), domain.name)
                labels = named.columns[domain.name].labels
                known = labels != UNLABELLED
                right = labels[known] == truth[known]
                values[f"named right/{domain.name}"] = float(right.float().mean())
            given.append(labels)
        settings: dict[str, Any] = {"class_weight": 0.0, "balanced": count > 0}
        translator = bridged(work, domains, models, (given[0], given[1]), seed, **settings)
        evaluation = judged(translator, domains)
        for found in evaluation.transfers:
            values[f"{found.source}->{found.target}"] = found.accuracy
        return values

    of = [*unlabelled_files(domains), *map(reader_file, naming.values())]
    return work.remember(f"labels-{count}-{seed}", measure, of)


def ablation(work: Work, seed: int) -> dict[str, float]:
    """MNIST -> MNIST by parts of the bridge, on base models without labels, as published."""
    domains = ends(work, "mnist", "mnist", seed)

    def measure() -> dict[str, float]:
        models = (domains[0].without_labels(), domains[1].without_labels())
        labels = (domains[0].data.train.labels, domains[1].data.train.labels)
        values: dict[str, float] = {"n": len(domains[0].data.test)}
        for name, settings in ABLATION.items():
            for weight in (0.05, 1.0):  # the paper's weight of the classification, and ours
                translator = bridged(
                    work,
                    domains,
                    models,
                    labels,
                    seed,
                    class_weight=0.0,
                    classification=weight,
                    **settings,
                )
                found = judged(translator, domains).between("mnist", "mnist_b")
                values[name if weight == 1.0 else f"{name}@{weight}"] = found.accuracy
        return values

    return work.remember(f"ablation-{seed}", measure, unlabelled_files(domains))
