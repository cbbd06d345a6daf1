"""Figures: synchronous samples, translations, walks between samples and items, and sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from transmodal.cookbook.papers.syncgan import experiments, instruments
from transmodal.cookbook.papers.syncgan.sets import domain_set
from transmodal.cookbook.work import Work
from transmodal.core.evaluation.animation import frames, save_animation, save_sounds
from transmodal.core.evaluation.pictures import grid, save_picture
from transmodal.core.modality import Preview
from transmodal.core.translator import Translator

COLUMNS, ROWS = 10, 5  # of joint samples
STEPS = 16  # of a walk
LARGER = 4  # times, its pictures


def draw(work: Work, folder: Path, seed: int = 0) -> list[str]:
    """A picture of samples for every translator there is, translations, and walks.

    Only what has been trained is drawn, and named.
    """
    drawn = []
    makers: dict[str, Callable[[], Translator]] = {
        "garments": lambda: experiments.garments(work, 1.0, seed),
        "rotated": lambda: experiments.turned(work, seed),
        "spoken": lambda: experiments.said(work, seed),
    }
    for form in instruments.FORMS:
        makers[f"instruments-{form}"] = partial(instruments.translator, work, form, seed)
    for name, make in makers.items():
        if not (work.translator(name, seed) / "config.json").is_file():
            continue
        translator = make()
        drawn.append(name)
        samples(translator, folder / f"samples-{name}.png", folder)
        walk(translator, folder / f"walk-{name}.gif")
        if name.startswith("instruments"):
            continue
        source, target = translator.domains
        for here, there in ((source, target), (target, source)):
            translations(translator, here, there, folder / f"{here}-{there}.png")
        walk(translator, folder / f"walk-items-{name}.gif", source)
    return drawn


def previews(translator: Translator, domain: str, items: Sequence[Any]) -> list[Preview]:
    """What items look and sound like."""
    return [translator.domains[domain].preview(item) for item in items]


def samples(translator: Translator, path: Path, folder: Path) -> None:
    """Joint samples: rows of the two domains in turn; sounds one after another in a file."""
    count = COLUMNS * ROWS
    made = translator.sample(count, seed=1)
    shown = {domain: previews(translator, domain, items) for domain, items in made.items()}
    cells = [
        preview
        for start in range(0, count, COLUMNS)
        for row in shown.values()
        for preview in row[start : start + COLUMNS]
    ]
    save_picture(grid(cells, COLUMNS), path)
    for domain, row in shown.items():
        if row[0].sound is not None:
            save_sounds(row[:COLUMNS], folder / f"{path.stem}-{domain}.wav")


def translations(translator: Translator, here: str, there: str, path: Path) -> None:
    """Two test items of each class over what they become."""
    test = domain_set(here).test
    shown = torch.cat([(test.labels == label).nonzero()[:2, 0] for label in range(10)])
    signal = test.take(shown)
    made = translator.translate_signal(signal, here, there)
    rows = [
        previews(translator, domain, translator.domains[domain].split(part))
        for domain, part in ((here, signal), (there, made))
    ]
    save_picture(grid([*rows[0], *rows[1]], len(shown)), path)


def walk(translator: Translator, path: Path, source: str | None = None) -> None:
    """From one sample to another, or from one test item of ``source``, in all domains at once."""
    ends = None
    if source is not None:
        test = domain_set(source).test
        first, last = ((test.labels == label).nonzero()[0] for label in (3, 8))
        modality = translator.domains[source]
        [one], [other] = (modality.split(test.take(index)) for index in (first, last))
        ends = (one, other)
    way = translator.walk(STEPS, ends=ends, source=source, seed=2)
    shown = [previews(translator, domain, items) for domain, items in way.items()]
    pictures = frames(list(zip(*shown, strict=True)))
    larger = [p.repeat_interleave(LARGER, 1).repeat_interleave(LARGER, 2) for p in pictures]
    save_animation(larger, path)
