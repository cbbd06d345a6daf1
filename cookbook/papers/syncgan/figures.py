"""From the values of all seeds in the work folder to results.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transmodal.cookbook.papers.syncgan.experiments import FRACTIONS, GARMENTS, ROTATED, SPOKEN
from transmodal.cookbook.papers.syncgan.instruments import CLASSES, FORMS
from transmodal.cookbook.papers.syncgan.models import ABLATION
from transmodal.cookbook.work import Work, remembered
from transmodal.core.evaluation.results import record as record_result

COMMAND = "python -m transmodal.cookbook.papers.syncgan"
PAPERS = {"digits": "mnist", "garments": "fashion_mnist"}


class Figures:
    """Writes figures whose values are there.

    Args:
        work: whose values.
        results: the JSON file.
        seeds: to look for.
    """

    def __init__(self, work: Work, results: Path, seeds: Sequence[int]) -> None:
        self.work, self.results, self.seeds = work, results, seeds
        self.written: list[str] = []  # names of the figures

    def read(self, stem: str, folder: str = "values") -> dict[int, dict[str, float]]:
        """Seed -> the values measured."""
        return remembered(self.work.folder / folder, stem, self.seeds)

    def put(
        self,
        name: str,
        stem: str,
        key: str,
        what: str,
        *,
        n: str | None = "n",
        chance: float | None = None,
        folder: str = "values",
    ) -> None:
        """A figure from the values ``key`` of all seeds that have it.

        Args:
            name: of the figure.
            stem: of the values' files.
            key: of the value.
            what: the recipe's name of the experiment.
            n: key of the number of items; None where there is none.
            chance: what guessing reaches.
            folder: of the files.
        """
        found = {seed: v for seed, v in self.read(stem, folder).items() if key in v}
        if not found:
            return
        first = next(iter(found.values()))
        record_result(
            self.results,
            name,
            {seed: v[key] for seed, v in found.items()},
            n=int(first[n]) if n is not None else None,
            chance=chance,
            command=f"{COMMAND} {what} record{self.work.asked}",
        )
        self.written.append(name)

    def rate(self, name: str, stem: str, domains: Sequence[str], what: str, at: str = "") -> None:
        """A synchronous rate and what stands beside it."""
        self.put(f"{name}{at}", stem, "rate", what, chance=0.1)
        self.put(f"{name}{at}/mismatched", stem, "mismatched", what)
        self.put(f"{name}{at}/variety", stem, "variety", what, n=None)
        for domain in domains:
            self.put(f"{name}{at}/entropy/{domain}", stem, f"entropy/{domain}", what)
            self.put(f"{name}{at}/frechet/{domain}", stem, f"frechet/{domain}", what)


def record(work: Work, results: Path, seeds: Sequence[int]) -> list[str]:
    """Write all figures that were measured, and tell their names."""
    to = Figures(work, results, seeds)
    for fraction in FRACTIONS:
        stem = f"rates-{fraction}"
        to.rate("rate", stem, GARMENTS, "rates", f"@{fraction}")
        headline = "entropy" if fraction == 1.0 else "rate"
        detail = "" if fraction == 1.0 else "/entropy"
        to.put(f"{headline}@{fraction}{detail}", stem, "entropy", "rates")
        tag = "garments" if fraction == 1.0 else f"garments@{fraction}"
        to.put(f"rate@{fraction}/seconds", tag, "seconds", "rates", n=None, folder="seconds")
    for part in ABLATION:
        to.rate("rate", part, GARMENTS, "ablation", f"@1.0/{part}")
    to.rate("digits_spoken", "spoken", SPOKEN, "spoken")
    to.put("digits_spoken/heard", "spoken", "heard", "spoken", n="heard/n", chance=0.1)
    to.put("digits_spoken/seconds", "spoken", "seconds", "spoken", n=None, folder="seconds")
    to.rate("digits_rotated", "rotated", ROTATED, "rotated")
    to.put("digits_rotated/seconds", "rotated", "seconds", "rotated", n=None, folder="seconds")
    way = "->".join(ROTATED)
    to.put(way, "rotated", way, "rotated", n=f"{way}/n", chance=0.1)
    for source, target in (GARMENTS, GARMENTS[::-1]):
        way = f"{source}->{target}"
        name = f"{PAPERS[source]}->{PAPERS[target]}"
        to.put(name, "transfer", way, "rates transfer", n=f"{way}/n", chance=0.1)
    to.put("inversion_speedup", "inversion", "speedup", "rates inversion")
    for key in ("ms/published", "ms/batched", "residual/published", "residual/batched"):
        to.put(f"inversion_speedup/{key}", "inversion", key, "rates inversion")
    to.put("inversion_speedup/nearer", "inversion", "nearer", "rates inversion")
    judged = {"digits": ("rates-1.0", "rates"), "garments": ("rates-1.0", "rates"),
              "rotated": ("rotated", "rotated"), "spoken": ("spoken", "spoken")}  # fmt: skip
    for domain, (stem, what) in judged.items():
        to.put(f"judge/{domain}", stem, f"judge/{domain}", what, n=None, chance=0.1)
    for form in FORMS:
        stem, guess = f"instruments-{form}", 1 / len(CLASSES)
        to.put(f"instruments/{form}", stem, "rate", "instruments", chance=guess)
        to.put(f"instruments/{form}/mismatched", stem, "mismatched", "instruments")
        for domain in ("pictures", form):
            key = f"judge/{domain}"
            to.put(f"instruments/{form}/{key}", stem, key, "instruments", n=f"{key}/n",
                   chance=guess)  # fmt: skip
            key = f"entropy/{domain}"
            to.put(f"instruments/{form}/{key}", stem, key, "instruments")
    return to.written
