"""From the values in the work folder to results.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from transmodal.cookbook.papers.m3d_gan.emoji import WANTED
from transmodal.cookbook.recording import Recorder
from transmodal.cookbook.work import Work

COMMAND = "python -m transmodal.cookbook.papers.m3d_gan"


@dataclass(frozen=True)
class Row:
    """Where a task's figures come from.

    Args:
        verb: of the command line.
        stem: of the values' files.
        task: first part of the figures' names.
        figures: key of a value -> last part of its figure's name.
        chance: figure -> what guessing reaches, or that it is one of the n items.
    """

    verb: str
    stem: str
    task: str
    figures: Mapping[str, str]
    chance: Mapping[str, float | Literal["1/n"]] = field(default_factory=dict)


def same(*names: str) -> dict[str, str]:
    """Figures called as their values are."""
    return {name: name for name in names}


PICTURES = ("realism", "identity", "diversity_z", "diversity_ref")
STYLED = tuple(f"{what}/{style}" for what in PICTURES[:2] for style in WANTED)
GUESSED: dict[str, float | Literal["1/n"]] = {
    name: 0.2 if "realism" in name else "1/n" for name in (*PICTURES[:2], *STYLED)
}
GUESSED |= {f"{who}/{name}": GUESSED[name] for who in ("pix2pix", "copy") for name in PICTURES[:2]}
GUESSED["judge/styles"] = 0.2
FOUND = ("top1", "top1_likelihood", "nearest_name", "nearest_words", "nearest_picture")
NAMED: dict[str, float | Literal["1/n"]] = {
    **dict.fromkeys(FOUND, "1/n"), "rank": 0.5, "realism": 0.2,
}  # fmt: skip
ROWS = (
    Row("text_text", "text_text-test", "text->text",
        same("bleu", "chrf", "chance/bleu", "parameters")),
    Row("seq2seq", "seq2seq-test", "text->text/seq2seq",
        same("bleu", "chrf", "parameters")),
    Row("names", "names-test", "text->image",
        {f"text_image/{k}": k for k in ("top1", "rank", "realism", "nearest_name",
                                        "nearest_words")}, NAMED),
    Row("names", "names-test", "image->text",
        {f"image_text/{k}": k for k in ("top1", "rank", "top1_likelihood", "nearest_picture",
                                        "chrf", "bleu1", "nearest_picture/chrf",
                                        "nearest_picture/bleu1")}, NAMED),
    Row("text_speech", "text_speech-test", "text->speech",
        {**same("wer", "wer_real", "wer_copy", "wer_swapped"),
         "every/style": "style", "every/style_real": "style_real",
         "every/similarity": "similarity", "every/similarity_other": "similarity_other"},
        {"style": 0.25, "style_real": 0.25}),
    Row("speech_text", "speech_text-test", "speech->text",
        same("cer", "wer", "spelling/cer", "spelling/wer", "unseen/cer", "unseen/wer")),
    Row("prompts_text", "prompts_text-test", "speech->text/prompts",
        same("cer", "wer", "spelling/cer", "spelling/wer", "voices/cer", "voices/wer")),
    Row("prompts_speech", "prompts_speech-test", "text->speech/prompts",
        same("wer", "style", *(f"{who}/{what}" for who in ("before", "real", "copy")
                               for what in ("wer", "style"))),
        {f"{who}style": 0.2 for who in ("", "before/", "real/", "copy/")}),
    *(
        Row(verb, f"image_image-{source}", task, {
            **same(*PICTURES, *STYLED, "judge/styles", "real/diversity", "parameters"),
            **same(*(f"{who}/{name}" for who in ("pix2pix", "copy") for name in PICTURES)),
            **same("pix2pix/parameters"),
        }, GUESSED)
        for verb, source, task in (
            ("image_image", "emoji", "image->image"), ("drawings", "edges", "edges->image"),
        )
    ),
    *(
        Row("ablations", f"ablation-{name}", f"image->image/{name}", same(*PICTURES), GUESSED)
        for name in ("cvae_gan", "vae_gan", "vae_gan+lat", "all_without_attention", "all",
                     "all+style")
    ),
)  # fmt: skip


def record(work: Work, results: Path, seeds: Sequence[int]) -> list[str]:
    """Write the figures whose values are there, and tell their names.

    ``seconds`` are a training's processor seconds, without those of what it began from.
    """
    to = Recorder(work, results, seeds, COMMAND)
    for row in ROWS:
        values = to.read(row.stem)
        first = next(iter(values.values()), {})
        for key, name in row.figures.items():
            counts = (f"{key}/n", f"{key.rpartition('/')[0]}/n", "n")
            n = next((first[count] for count in counts if count in first), None)
            n = None if key.endswith("parameters") else n
            chance = row.chance.get(name)
            if chance == "1/n":
                chance = None if n is None else 1 / n
            to.put(f"{row.task}/{name}", values, key, row.verb, n=n, chance=chance)
        trained = to.read(row.stem.removesuffix("-test"), "seconds")
        measured = {seed: spent for seed, spent in trained.items() if seed in values}
        to.put(f"{row.task}/seconds", measured, "seconds", row.verb, n=None)
    return to.written
