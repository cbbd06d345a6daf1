"""What half precision does to the bridge: its accuracy in fp32 and in bf16, and its time."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import torch

from transmodal.cookbook.papers.latent_transfer.experiments import (
    Domain,
    bridged,
    ends,
    judged,
    labelled_files,
)
from transmodal.cookbook.papers.latent_transfer.sets import CLASSES
from transmodal.cookbook.work import Work
from transmodal.core.bridges.bridging_vae import BridgingVAE
from transmodal.core.kernel import Kernel, Training
from transmodal.core.kernel.settings import Precision
from transmodal.core.latents.base import LatentModel
from transmodal.core.signal import Signal
from transmodal.core.table import Table

PRECISIONS: tuple[Precision, Precision] = ("fp32", "bf16")
ROUNDS, STEPS = 11, 20  # of timing; steps in each


def precisions(work: Work, seed: int) -> dict[str, float]:
    """The bridge trained in fp32 and in bf16: accuracy of each, and the ratio of their times.

    It is trained in both whatever the precision of ``work``, which is that of the base models.
    """
    domains = ends(work, "mnist", "mnist", seed)

    def measure() -> dict[str, float]:
        models = tuple(domain.labelled()[0] for domain in domains)
        labels = (domains[0].data.train.labels, domains[1].data.train.labels)
        values: dict[str, float] = {"n": len(domains[0].data.test)}
        for precision in PRECISIONS:
            translator = bridged(work, domains, (models[0], models[1]), labels, seed, precision)
            found = judged(translator, domains).between("mnist", "mnist_b")
            values[precision] = found.accuracy
        values["speedup"] = speedup(work, domains, (models[0], models[1]), labels)
        return values

    return work.remember(f"precision-{seed}", measure, labelled_files(domains))


def speedup(
    work: Work,
    domains: tuple[Domain, Domain],
    models: tuple[LatentModel, LatentModel],
    labels: tuple[torch.Tensor, torch.Tensor],
) -> float:
    """Median over rounds of fp32 time / bf16 time of the bridge's steps, taken in turn.

    The published size of network (4 layers of 512, batch 512), in processor time.
    """
    size = {k: BridgingVAE.published["images"][k] for k in ("hidden", "depth", "batch", "width")}
    bridge = BridgingVAE(reading=0.0, steps=STEPS, **size)
    bridge.connect({d.name: d.data.modality for d in domains}, len(CLASSES))
    columns = {}
    for domain, model, given in zip(domains, models, labels, strict=True):
        bridge.adopt(domain.name, model)
        short = slice(0, 5000)
        vectors = Signal(torch.randn(5000, 2, bridge.latent).abs())
        columns[domain.name] = replace(
            domain.data.train,
            signal=vectors,
            labels=given[short],
            rows=domain.data.train.rows[short],
        )
    table = Table(columns, CLASSES)
    stage = replace(bridge.stages()[-1], prepare=None)
    stage = replace(stage, steps=STEPS if not work.quick else 2)

    def seconds(precision: Precision) -> float:
        settings = Training(precision=precision, log_every=STEPS)
        started = time.process_time()
        for _ in Kernel(bridge, [stage], table, settings).run():
            pass
        return time.process_time() - started

    for precision in PRECISIONS:
        seconds(precision)
    return statistics.median(seconds("fp32") / seconds("bf16") for _ in range(ROUNDS))
