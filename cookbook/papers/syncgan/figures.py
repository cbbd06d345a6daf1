"""From the values of all seeds in the work folder to results.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transmodal.cookbook.papers.syncgan.experiments import (
    FRACTIONS,
    GARMENTS,
    ROTATED,
    SPOKEN,
    garments_tag,
)
from transmodal.cookbook.papers.syncgan.instruments import CLASSES, FORMS
from transmodal.cookbook.papers.syncgan.models import ABLATION
from transmodal.cookbook.recording import Recorder, Values
from transmodal.cookbook.work import Work

COMMAND = "python -m transmodal.cookbook.papers.syncgan"
PAPERS = {"digits": "mnist", "garments": "fashion_mnist"}


def record(work: Work, results: Path, seeds: Sequence[int]) -> list[str]:
    """Write all figures that were measured, and tell their names."""
    to = Recorder(work, results, seeds, COMMAND)
    for fraction in FRACTIONS:
        values = to.read(f"rates-{fraction}")
        rate(to, f"rate@{fraction}", values, GARMENTS, "rates")
        headline = "entropy" if fraction == 1.0 else "rate"
        detail = "" if fraction == 1.0 else "/entropy"
        to.put(f"{headline}@{fraction}{detail}", values, "entropy", "rates")
        seconds(to, f"rate@{fraction}", garments_tag(fraction), "rates")
    for part in ABLATION:
        rate(to, f"rate@1.0/{part}", to.read(part), GARMENTS, "ablation")
    spoken, rotated = to.read("spoken"), to.read("rotated")
    rate(to, "digits_spoken", spoken, SPOKEN, "spoken")
    to.put("digits_spoken/heard", spoken, "heard", "spoken", n="heard/n", chance=0.1)
    seconds(to, "digits_spoken", "spoken", "spoken")
    rate(to, "digits_rotated", rotated, ROTATED, "rotated")
    seconds(to, "digits_rotated", "rotated", "rotated")
    way = "->".join(ROTATED)
    to.put(way, rotated, way, "rotated", n=f"{way}/n", chance=0.1)
    for source, target in (GARMENTS, GARMENTS[::-1]):
        way = f"{source}->{target}"
        name = f"{PAPERS[source]}->{PAPERS[target]}"
        to.put(name, to.read("transfer"), way, "rates transfer", n=f"{way}/n", chance=0.1)
    values = to.read("inversion")
    to.put("inversion_speedup", values, "speedup", "rates inversion")
    for key in ("ms/published", "ms/batched", "residual/published", "residual/batched", "nearer"):
        to.put(f"inversion_speedup/{key}", values, key, "rates inversion")
    judged = {"digits": ("rates-1.0", "rates"), "garments": ("rates-1.0", "rates"),
              "rotated": ("rotated", "rotated"), "spoken": ("spoken", "spoken")}  # fmt: skip
    for domain, (stem, verb) in judged.items():
        to.put(f"judge/{domain}", to.read(stem), f"judge/{domain}", verb, n=None, chance=0.1)
    for form in FORMS:
        values, guess = to.read(f"instruments-{form}"), 1 / len(CLASSES)
        to.put(f"instruments/{form}", values, "rate", "instruments", chance=guess)
        to.put(f"instruments/{form}/mismatched", values, "mismatched", "instruments")
        for domain in ("pictures", form):
            key = f"judge/{domain}"
            to.put(f"instruments/{form}/{key}", values, key, "instruments", n=f"{key}/n",
                   chance=guess)  # fmt: skip
            key = f"entropy/{domain}"
            to.put(f"instruments/{form}/{key}", values, key, "instruments")
    return to.written


def rate(to: Recorder, name: str, values: Values, domains: Sequence[str], verb: str) -> None:
    """A synchronous rate and what stands beside it."""
    to.put(name, values, "rate", verb, chance=0.1)
    to.put(f"{name}/mismatched", values, "mismatched", verb)
    to.put(f"{name}/variety", values, "variety", verb, n=None)
    for domain in domains:
        to.put(f"{name}/entropy/{domain}", values, f"entropy/{domain}", verb)
        to.put(f"{name}/frechet/{domain}", values, f"frechet/{domain}", verb)


def seconds(to: Recorder, name: str, tag: str, verb: str) -> None:
    """The processor seconds of a training."""
    to.put(f"{name}/seconds", to.read(tag, "seconds"), "seconds", verb, n=None)
