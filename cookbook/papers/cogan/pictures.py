"""Pictures of the first seed: what couples make, and translations by inversion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from transmodal.cookbook.papers.cogan.adaptation import WAYS, adapted_file, train
from transmodal.cookbook.papers.cogan.pairs import DIGITS, TASKS, couple
from transmodal.cookbook.papers.latent_transfer.sets import load
from transmodal.cookbook.work import Work
from transmodal.core.evaluation.pictures import grid, save_picture
from transmodal.core.evaluation.sampling import joint_samples
from transmodal.core.modality import Preview
from transmodal.core.translator import Translator

COLUMNS = 20


def draw(work: Work, folder: Path, seed: int = 0) -> list[str]:
    """PNG files of all that is trained, and their names; what is not yet is left out."""
    drawn: list[str] = []

    def save(rows: Sequence[Tensor], name: str) -> None:
        previews = [Preview(item.expand(3, -1, -1)) for item in torch.cat(list(rows)).clamp(0, 1)]
        save_picture(grid(previews, COLUMNS), folder / name)
        drawn.append(name)

    for name, task in TASKS.items():
        for tag, waist in (("", 1), ("-wide", 0)):
            if not (work.translator(f"{name}{tag}", seed) / "config.json").is_file():
                continue
            translator = couple(work, task, seed, tag, waist)
            save(sampled(translator, operator=task.operator), f"{name}{tag}.png")
            if task.name != "rotation":
                digits = load("mnist").test.signal[:COLUMNS]
                made = translator.translate_signal(digits, DIGITS, name).values
                rows = [digits.values, task.operator(digits.values), made]
                save(rows, f"transform-{name}.png")
    for source, target in WAYS:
        for row in ("cogan", "both"):
            if (work.folder / adapted_file(source, target, row, seed)).is_file():
                rows = sampled(train(work, source, target, row, seed))
                save(rows, f"{source}-{target}-{row}.png")
    return drawn


def sampled(translator: Translator, operator: object = None) -> list[Tensor]:
    """A row of samples for each domain; below them what the operator makes of the first row."""
    names = list(translator.domains)
    (made,) = joint_samples(translator, COLUMNS, names, seed=1)
    rows = [made[name].values for name in names]
    return [*rows, operator(rows[0])] if callable(operator) else rows
