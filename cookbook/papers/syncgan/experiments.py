"""The paper's experiments: synchronous rates, what they need, and transfer by inversion."""

from __future__ import annotations

from typing import Any

import torch

from transmodal.cookbook.judging import heard
from transmodal.cookbook.papers.latent_transfer.sets import CLASSES
from transmodal.cookbook.papers.syncgan import sets
from transmodal.cookbook.papers.syncgan.judges import judge, judges
from transmodal.cookbook.papers.syncgan.models import ABLATION, experiment
from transmodal.cookbook.papers.syncgan.sets import domain_set
from transmodal.cookbook.papers.syncgan.variety import variety
from transmodal.cookbook.work import Work, translator_file
from transmodal.core.evaluation.sampling import joint_samples
from transmodal.core.evaluation.synchrony import evaluate_synchrony
from transmodal.core.records import Records
from transmodal.core.seeds import derived_seed
from transmodal.core.signal import Signal
from transmodal.core.translator import Translator

FRACTIONS = (1.0, 0.4, 0.05)
GARMENTS = ("digits", "garments")
ROTATED = ("digits", "rotated")
SPOKEN = ("digits", "spoken")
SAMPLES = 10_000
QUERIES = 1000
HEARD = 500


def garments_tag(fraction: float) -> str:
    """The tag of the translator of digits and garments, this fraction of them paired."""
    return "garments" if fraction == 1.0 else f"garments@{fraction}"


def garments(work: Work, fraction: float, seed: int) -> Translator:
    """Digits and garments, this fraction of them paired by class."""

    def records() -> Records:
        return sets.garments(fraction, seed, work.quick)

    return experiment(work, garments_tag(fraction), seed, GARMENTS, records)


def turned(work: Work, seed: int) -> Translator:
    """Digits and digits turned by 90 degrees."""
    return experiment(work, "rotated", seed, ROTATED, lambda: sets.rotated(work.quick))


def said(work: Work, seed: int) -> Translator:
    """Digits and spoken digits."""
    return experiment(work, "spoken", seed, SPOKEN, lambda: sets.spoken(seed, work.quick))


def synchrony(work: Work, translator: Translator, seed: int) -> dict[str, float]:
    """The synchronous rate of joint samples, and what must stand beside it."""
    domains = tuple(translator.domains)
    found = evaluate_synchrony(
        translator,
        judges(work, domains),
        CLASSES,
        n=500 if work.quick else SAMPLES,
        seed=seed,
        real={domain: domain_set(domain).test for domain in domains},
    )
    pair = found.between(*domains)
    values = {"rate": pair.rate, "n": pair.n, "mismatched": pair.chance}
    values["entropy"] = min(spread.entropy for spread in found.spreads)
    for spread in found.spreads:
        values[f"entropy/{spread.domain}"] = spread.entropy
        if spread.accuracy is not None:
            values[f"judge/{spread.domain}"] = spread.accuracy
        if spread.frechet is not None:
            values[f"frechet/{spread.domain}"] = spread.frechet
        if spread.frechet_floor is not None:
            values[f"frechet_floor/{spread.domain}"] = spread.frechet_floor
    values |= varieties(work, translator, seed)
    return values


def varieties(work: Work, translator: Translator, seed: int) -> dict[str, float]:
    """How much samples of one class differ, in each domain and in the lesser of both."""
    n = 200 if work.quick else 2000
    [made] = joint_samples(translator, n, list(translator.domains), seed=seed, batch=n)
    found = {
        domain: variety(signal, judge(work, domain), domain_set(domain).test)
        for domain, signal in made.items()
    }
    values = {f"variety/{domain}": value for domain, value in found.items() if value is not None}
    return {**values, "variety": min(values.values())} if values else {}


def rates(work: Work, fraction: float, seed: int) -> dict[str, float]:
    """Fig. 11 (a): the synchronous rate of digits and garments at a paired fraction."""
    return work.remember(
        f"rates-{fraction}-{seed}",
        lambda: synchrony(work, garments(work, fraction, seed), seed),
        [translator_file(garments_tag(fraction), seed)],
    )


def ablation(work: Work, part: str, seed: int) -> dict[str, float]:
    """The rate at a fraction of 1 without a part of the bridge, at equal length."""

    def records() -> Records:
        return sets.garments(1.0, seed, work.quick)

    def measure() -> dict[str, float]:
        changes: dict[str, Any] = dict(ABLATION[part])
        translator = experiment(work, "garments", seed, GARMENTS, records, part, **changes)
        return synchrony(work, translator, seed)

    return work.remember(f"{part}-{seed}", measure, [translator_file(part, seed)])


def spoken(work: Work, seed: int) -> dict[str, float]:
    """The synchronous rate of digits and spoken digits, of log-mels and of the sound itself."""

    def measure() -> dict[str, float]:
        translator = said(work, seed)
        return {**synchrony(work, translator, seed), **sounded(work, translator, seed)}

    return work.remember(f"spoken-{seed}", measure, [translator_file("spoken", seed)])


def sounded(work: Work, translator: Translator, seed: int) -> dict[str, float]:
    """The rate of samples that went to sound (Griffin-Lim) and back to log-mels."""
    n = 50 if work.quick else HEARD
    [made] = joint_samples(translator, n, SPOKEN, seed=derived_seed(seed, "heard"), batch=n)
    speech = translator.domains["spoken"]
    waves = speech.split(made["spoken"])
    read = judge(work, "digits").predict(made["digits"])
    return {"heard": heard(judge(work, "spoken"), speech, waves, read), "heard/n": n}


def translated(
    work: Work, translator: Translator, source: str, target: str, seed: int
) -> dict[str, float]:
    """Test items by inversion, read by the target's judge, against their true labels."""
    test = domain_set(source).test
    generator = torch.Generator().manual_seed(derived_seed(seed, "queries"))
    n = 40 if work.quick else QUERIES
    chosen = torch.randperm(len(test), generator=generator)[:n]
    with torch.autocast("cpu", torch.bfloat16):  # twice as fast, and as right
        made = translator.translate_signal(test.take(chosen), source, target)
    made = Signal(made.values.float(), made.lengths)
    right = judge(work, target).predict(made) == test.labels[chosen]
    return {f"{source}->{target}": float(right.double().mean()), f"{source}->{target}/n": n}


def rotated(work: Work, seed: int) -> dict[str, float]:
    """Digits to rotated digits: test digits by inversion, and the synchronous rate."""

    def measure() -> dict[str, float]:
        translator = turned(work, seed)
        values = synchrony(work, translator, seed)
        values |= translated(work, translator, *ROTATED, seed)
        return values

    return work.remember(f"rotated-{seed}", measure, [translator_file("rotated", seed)])


def transfer(work: Work, seed: int) -> dict[str, float]:
    """Digits to garments and back by inversion, with the models of ``rates`` at 1."""

    def measure() -> dict[str, float]:
        translator = garments(work, 1.0, seed)
        values: dict[str, float] = {}
        for way in (GARMENTS, GARMENTS[::-1]):
            values |= translated(work, translator, *way, seed)
        return values

    return work.remember(f"transfer-{seed}", measure, [translator_file(garments_tag(1.0), seed)])
