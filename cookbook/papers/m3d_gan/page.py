"""One page of what the translators in the work folder make of held-out items."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from transmodal.cookbook.papers.m3d_gan import tatoeba
from transmodal.cookbook.papers.m3d_gan.page_pictures import named, styled
from transmodal.cookbook.papers.m3d_gan.page_speech import (
    heard,
    heard_of_her,
    looked,
    prompted,
    spoken,
)
from transmodal.cookbook.work import Work
from transmodal.core.evaluation.report import Report
from transmodal.core.sequences.taught import Taught
from transmodal.core.translator import Translator
from transmodal.registry import Registry

Section = Callable[[Report, Work, Translator, Path], None]


def page(work: Work, seed: int, pictures: Path) -> Path:
    """Write the page, and its grids as files for the README.

    Args:
        work: the folder; a task whose translator is not there is left out, and named.
        seed: of the translators.
        pictures: folder of the grids.
    """
    folders = {tag: work.translator(tag, seed) for tag in SECTIONS}
    missing = [tag for tag, folder in folders.items() if not (folder / "config.json").is_file()]
    text = "Held-out items, not chosen: at even distances in the test part."
    if missing:
        text += f"\n\nNot trained yet, and so not here: {', '.join(missing)}."
    report = Report("M3D-GAN: six tasks, one architecture", text)
    for tag in [tag for tag in SECTIONS if tag not in missing]:
        ours = Translator.load(folders[tag], Registry.load())
        SECTIONS[tag](report, work, ours, pictures)
    path = work.folder / "report.html"
    report.write(path)
    return path


@torch.no_grad()
def translated(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """Translated sentences, and one alignment."""
    _, _, test = tatoeba.load()
    english, french = test.english[:16], test.french[:16]
    code = ours.bridge.encode(ours.domains["english"].collate(english), "english")
    made = ours.bridge.decode(code, "french")
    assert isinstance(made, Taught) and made.alignment is not None
    told = ours.domains["french"].split(made)
    report.section("English to French", "Trained on sentences of Tatoeba.")
    report.table(["English", "made", "a person's"], list(zip(english, told, french, strict=True)))
    steps, count = int(made.steps[0]), int(code.counts[0])
    report.picture(looked(made.alignment[0, :steps, :count]), f"alignment of: {english[0]}")


SECTIONS: dict[str, Section] = {
    "image_image-emoji": styled,
    "image_image-edges": styled,
    "names": named,
    "text_speech": spoken,
    "prompts_speech": prompted,
    "speech_text": heard,
    "prompts_text": heard_of_her,
    "text_text": translated,
}
