"""Instruments: notes and pictures of one class, a small run on few pictures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from transmodal.cookbook.judging import kept_judge
from transmodal.cookbook.papers.latent_transfer.sets import root
from transmodal.cookbook.papers.syncgan.models import experiment, modalities
from transmodal.cookbook.work import Work, translator_file
from transmodal.core.errors import DataError
from transmodal.core.evaluation.judge import Judge
from transmodal.core.evaluation.synchrony import evaluate_synchrony
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator

CLASSES = ("violin", "trumpet", "guitar", "harp", "piano")
FORMS = ("raster", "mel")
PER_CLASS = 250  # items of each class, as in the paper
HELD = 4  # every fourth note, and one picture of each class, are for testing judges
SAMPLES = 2000


@lru_cache
def items(domain: str, part: str, seed: int = 0) -> Memory:
    """The labelled items of a part, ``PER_CLASS`` of each class where it is ``train``.

    There are two to six pictures of a class: each stands there many times, augmented. Of notes
    there are windows enough for the raster, and moved and louder copies for the mel.

    Args:
        domain: ``pictures``, ``raster`` or ``mel``.
        part: ``train``, ``test`` (the items held back), or ``all``, made like ``train``.
        seed: of the augmentation.

    Raises:
        DataError: the data are not there.
    """
    [kind] = modalities([domain], 0).values()
    generator = torch.Generator().manual_seed(seed)
    signals, labels = [], []
    for label, name in enumerate(CLASSES):
        files = _files(domain, name)
        held = files[::HELD] if domain != "pictures" else files[-1:]
        chosen = {"train": [f for f in files if f not in held], "test": held, "all": files}[part]
        found: list[Tensor] = [kind.load(root() / "instruments" / file) for file in chosen]
        if domain == "raster":
            # the beginning of a note, where it sounds, in windows of 32 ms
            found = [w for note in found for w in note[1600:17600].split(512) if len(w) == 512]
            found = [w for w in found if float(w.abs().max()) > 0.02]
        signal = kind.collate(found)
        if part != "test":
            picked = torch.randint(len(signal), (PER_CLASS,), generator=generator)
            signal = kind.augment(signal[picked], generator)
        signals.append(signal)
        labels += [label] * len(signal)
    return Memory(Signal.cat(signals), torch.tensor(labels))


def _files(domain: str, name: str) -> list[str]:
    table = root() / "instruments" / ("images.tsv" if domain == "pictures" else "notes.tsv")
    if not table.is_file():
        raise DataError(f"no such data set: {table}")
    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["instrument"] == name]
    folder = "img" if domain == "pictures" else "audio"
    return [f"{folder}/{row['file']}" for row in rows]


def judge(work: Work, domain: str, part: str) -> Judge:
    """A judge of this part's items; that of ``train`` is there to be tested on what is held."""
    [kind] = modalities([domain], 0).values()
    return kept_judge(
        work, f"judge-{domain}-{part}", kind, len(CLASSES), lambda: items(domain, part, seed=1),
        steps=work.steps(300), batch=64,
    )  # fmt: skip


def translator(work: Work, form: str, seed: int) -> Translator:
    """Pictures and notes of one class, by the paper's numbers: 250 pairs of each class."""

    def records() -> Table:
        one, other = items("pictures", "all"), items(form, "all")
        none = torch.full_like(one.labels, -1)
        return Table({"pictures": Memory(one.signal, none), form: Memory(other.signal, none)})

    return experiment(work, "instruments", seed, ("pictures", form), records, f"instruments-{form}")


def instruments(work: Work, form: str, seed: int) -> dict[str, float]:
    """The rate, and how right judges are on what they have not learned from.

    The judges that read samples have learned from all items; what they would read in
    new ones is measured on judges that have not seen the held ones.
    """

    def measure() -> dict[str, float]:
        domains: Sequence[str] = ("pictures", form)
        values: dict[str, float] = {}
        for domain in domains:
            held = items(domain, "test")
            right = judge(work, domain, "train").accuracy(held.signal, held.labels)
            values |= {f"judge/{domain}": right, f"judge/{domain}/n": len(held)}
        found = evaluate_synchrony(
            translator(work, form, seed),
            {domain: judge(work, domain, "all") for domain in domains},
            CLASSES,
            n=100 if work.quick else SAMPLES,
            seed=seed,
        )
        pair = found.pairs[0]
        values |= {"rate": pair.rate, "n": pair.n, "mismatched": pair.chance}
        values |= {f"entropy/{spread.domain}": spread.entropy for spread in found.spreads}
        return values

    name = f"instruments-{form}"
    return work.remember(f"{name}-{seed}", measure, [translator_file(name, seed)])
