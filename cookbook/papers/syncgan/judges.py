"""The judges: classifiers of real training items, the same for every seed and experiment."""

from __future__ import annotations

from collections.abc import Sequence

from transmodal.cookbook.judging import kept_judge
from transmodal.cookbook.papers.latent_transfer.sets import CLASSES
from transmodal.cookbook.papers.syncgan.sets import domain_set
from transmodal.cookbook.work import Work
from transmodal.core.evaluation.judge import Judge

STEPS = {"digits": 1500, "garments": 2500, "rotated": 1500, "spoken": 1000}


def judge(work: Work, domain: str) -> Judge:
    """The domain's judge, out of the folder or trained now and put there."""
    data = domain_set(domain)
    return kept_judge(
        work, f"judge-{domain}", data.modality, len(CLASSES), lambda: data.train,
        seed=12345, steps=max(60, work.steps(STEPS[domain])),
    )  # fmt: skip


def judges(work: Work, domains: Sequence[str]) -> dict[str, Judge]:
    """A judge for each domain."""
    return {domain: judge(work, domain) for domain in domains}
