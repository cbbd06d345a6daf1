"""From the values in the work folder to results.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transmodal.cookbook.work import remembered
from transmodal.core.evaluation.results import record as record_result

COMMAND = "python -m transmodal.cookbook.papers.m3d_gan"


@dataclass(frozen=True)
class Row:
    """Where a task's figures come from.

    Args:
        verb: of the command line.
        stem: of the values' files.
        task: first part of the figures' names.
        figures: key of a value -> last part of its figure's name.
        chance: figure -> what guessing reaches.
    """

    verb: str
    stem: str
    task: str
    figures: Mapping[str, str]
    chance: Mapping[str, float] = field(default_factory=dict)


def same(*names: str) -> dict[str, str]:
    """Figures called as their values are."""
    return {name: name for name in names}


PICTURES = ("realism", "identity", "diversity_z", "diversity_ref")
GUESSED = {"realism": 0.2, "identity": 1 / 200}
ROWS = (
    Row("text_text", "text_text-test", "text->text",
        same("bleu", "chrf", "chance/bleu")),
    Row("seq2seq", "seq2seq-test", "text->text/seq2seq", same("bleu", "chrf")),
    Row("names", "names-test", "text->image",
        {f"text_image/{k}": k for k in ("top1", "realism", "nearest_name")}, {"top1": 1 / 200}),
    Row("names", "names-test", "image->text",
        {f"image_text/{k}": k for k in ("top1", "top1_likelihood", "nearest_picture", "chrf",
                                        "bleu1", "nearest_picture/chrf")}, {"top1": 1 / 200}),
    Row("text_speech", "text_speech-test", "text->speech",
        {**same("wer", "wer_real", "wer_copy", "wer_swapped"),
         "every/style": "style", "every/style_real": "style_real"},
        {"style": 0.25}),
    Row("speech_text", "speech_text-test", "speech->text",
        same("cer", "wer", "spelling/cer", "spelling/wer", "unseen/cer", "unseen/wer")),
    Row("prompts_text", "prompts_text-test", "speech->text/prompts",
        same("cer", "wer", "spelling/cer", "spelling/wer", "voices/cer", "voices/wer")),
    *(
        Row(verb, f"image_image-{source}", task, {
            **same(*PICTURES, "judge/styles"),
            **same("pix2pix/realism", "pix2pix/identity", "copy/realism", "copy/identity"),
            "real/diversity": "real/diversity",
        }, GUESSED)
        for verb, source, task in (
            ("image_image", "emoji", "image->image"), ("drawings", "edges", "edges->image"),
        )
    ),
    *(
        Row("ablations", f"ablation-{name}", f"image->image/{name}", same(*PICTURES), GUESSED)
        for name in ("cvae_gan", "vae_gan", "vae_gan+lat", "all_without_attention", "all")
    ),
)  # fmt: skip


def record(folder: Path, results: Path, seeds: Sequence[int]) -> list[str]:
    """Write the figures whose values are there, and tell their names."""
    written = []
    for row in ROWS:
        values = remembered(folder / "values", row.stem, seeds)
        for key, name in row.figures.items():
            found = {seed: given[key] for seed, given in values.items() if key in given}
            if not found:
                continue
            first = next(iter(values.values()))
            n = first.get(f"{key.rpartition('/')[0]}/n", first.get("n"))
            record_result(
                results,
                f"{row.task}/{name}",
                found,
                n=None if n is None else int(n),
                chance=row.chance.get(name),
                command=f"{COMMAND} {row.verb} record",
            )
            written.append(f"{row.task}/{name}")
    return written
