"""Train and measure M3D-GAN's tasks, and record what was measured.

    python -m transmodal.cookbook.papers.m3d_gan text_text record --quick

text_text is English to French, seq2seq its baseline; names are names to emoji and emoji to names,
one model; image_image is emoji in the style of a reference, drawings the same from edges,
ablations the rows of Table 3; text_speech and speech_text are of espeak's voices,
prompts_text and prompts_speech of a person's. Translators and values are kept in the folder
given by ``--out``: a run that was stopped goes on where it was.
``record`` writes results.json from them, ``report`` a page that shows and plays what they make.
"""

from __future__ import annotations

from pathlib import Path

import click

from transmodal.cookbook.command import RecipeCommand, tell, work_options
from transmodal.cookbook.papers.m3d_gan import (
    image_image,
    names,
    prompts_speech,
    prompts_text,
    speech_text,
    text_speech,
    text_text,
)
from transmodal.cookbook.papers.m3d_gan.page import page
from transmodal.cookbook.papers.m3d_gan.record import record
from transmodal.cookbook.work import Work, say
from transmodal.core.kernel.settings import Precision

TASKS = {
    "text_text": text_text.measure,
    "seq2seq": text_text.measure_baseline,
    "names": names.measure,
    "image_image": image_image.measure,
    "drawings": image_image.drawings,
    "ablations": image_image.ablations,
    "text_speech": text_speech.measure,
    "speech_text": speech_text.measure,
    "prompts_text": prompts_text.measure,
    "prompts_speech": prompts_speech.measure,
}
RESULTS = Path(__file__).parent / "results.json"


@click.command(cls=RecipeCommand, help=__doc__)
@click.argument("what", nargs=-1, required=True, type=click.Choice([*TASKS, "report", "record"]))
@work_options("m3d-gan-work", seeds="0")
@click.option("--part", default="test", type=click.Choice(["test", "choices"]),
              show_default=True, help="Which held-out items to measure on.")  # fmt: skip
def main(
    what: tuple[str, ...],
    seeds: list[int],
    out: Path,
    part: str,
    precision: Precision,
    quick: bool,
) -> None:
    """Run the command line; its help is this module's docstring."""
    work = Work.of(out, quick, precision=precision)
    for name in what:
        if name == "record":
            written = record(work, work.folder / RESULTS.name if quick else RESULTS, seeds)
            tell("recorded", written)
            continue
        if name == "report":
            pictures = work.folder / "pictures" if quick else Path(__file__).parent / "pictures"
            click.echo(f"wrote {page(work, seeds[0], pictures)}")
            continue
        for seed in seeds:
            say(f"{name} {seed}", TASKS[name](work, seed, part))


if __name__ == "__main__":
    main()
