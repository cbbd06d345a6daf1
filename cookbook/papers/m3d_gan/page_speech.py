"""The page's sounds: sentences said in styles, and what is written of clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from transmodal.cookbook.papers.m3d_gan import prompts_speech, text_speech
from transmodal.cookbook.papers.m3d_gan.text_speech import ENDS, RATE
from transmodal.cookbook.papers.m3d_gan.voices import STYLES, Spoken, prompts
from transmodal.cookbook.work import Work
from transmodal.core.evaluation.pictures import save_picture
from transmodal.core.evaluation.report import Report
from transmodal.core.modality import Preview
from transmodal.core.sequences.taught import Taught
from transmodal.core.translator import Translator

SAID, HEARD = 4, 6  # sentences, clips
WRITTEN = "The clip, what was written of it, and where the writer looked: letters to the right."


def looked(alignment: Tensor) -> Tensor:
    """Weights ``[s n]`` as a picture: tokens upwards, steps to the right, black is 1."""
    ink = 1 - alignment.detach().float().cpu().T.flip(0).clamp(0, 1)
    return interpolate(ink[None, None], scale_factor=4)[0].expand(3, -1, -1)


def apart(count: int, wanted: int) -> list[int]:
    """So many of ``count`` places, at even distances."""
    return torch.linspace(0, count - 1, min(count, wanted)).round().long().tolist()


def spoken(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """Sentences said in every style: contents by styles, each after a reference."""
    real = text_speech.corpus(work, "test", text_speech.TESTED)
    count = len(real) // len(STYLES)
    report.section(
        "Text to speech",
        "Each sentence in every style: the reference, a clip of another sentence; what was made; "
        "the same sentence by the voice itself; where the speaker looked, characters upwards, "
        "steps to the right.",
    )
    for place in apart(count, SAID):
        own = [k * count + place for k in range(len(STYLES))]
        other = [k * count + (place + 1) % count for k in range(len(STYLES))]
        titles = [f"{real.texts[place]} ({style})" for style in STYLES]
        alignments = said(report, ours, titles, real.take(own), [real.waves[i] for i in other])
        if place == 0:
            save_picture(looked(alignments[0]), folder / "alignment.png")


def prompted(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """A person's prompts, her own and made after another of hers."""
    real = prompts_speech.hers("test")
    first = range(min(5, len(real) - 1))
    report.section(
        "Text to speech of a person",
        "The reference, another of her prompts; what was made; her recording; the alignment.",
    )
    some = real.take(first)
    said(report, ours, some.texts, some, [real.waves[i + 1] for i in first])


def said(
    report: Report,
    ours: Translator,
    titles: Sequence[str],
    real: Spoken,
    references: Sequence[Tensor],
) -> list[Tensor]:
    """A row for each text: its reference, what was made, the real clip, and the alignment."""
    speech = ours.domains["speech"]
    made = text_speech.say(ours, real.texts, references)
    rows = []
    for title, reference, wave, own, alignment in zip(
        titles, references, made.waves, real.waves, made.alignments, strict=True
    ):
        chain = [
            ("reference", speech.preview(reference)),
            ("made", speech.preview(text_speech.hearable(wave))),
            ("real", speech.preview(own)),
            ("alignment", Preview(looked(alignment))),
        ]
        rows.append((title, chain))
    report.rows(rows)
    return list(made.alignments)


def heard(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """What is written of espeak's clips."""
    real = text_speech.corpus(work, "test", text_speech.TESTED)
    report.section("Speech to text", WRITTEN)
    wrote(report, ours, real.take(apart(len(real), HEARD)))


def heard_of_her(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """What is written of a person's prompts."""
    real = prompts("test", RATE, text_speech.SPECTRUM["seconds"])
    report.section("Speech of a person to text", WRITTEN)
    wrote(report, ours, real.take(apart(len(real), HEARD)))


@torch.no_grad()
def wrote(report: Report, ours: Translator, real: Spoken) -> None:
    """A row for each clip: to play, and where the writer looked."""
    speech, text = (ours.domains[end] for end in reversed(ENDS))
    code = ours.bridge.encode(speech.collate(real.waves), "speech")
    made = ours.bridge.decode(code, "text")
    assert isinstance(made, Taught) and made.alignment is not None
    rows = []
    for i, written in enumerate(text.split(made)):
        steps, count = int(made.steps[i]), int(code.counts[i])
        chain = [
            (f"said: {real.texts[i]}", speech.preview(real.waves[i])),
            (f"written: {written}", Preview(looked(made.alignment[i, :steps, :count]))),
        ]
        rows.append((real.texts[i], chain))
    report.rows(rows)
