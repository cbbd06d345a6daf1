"""``transmodal evaluate``: measure a saved translator on held-out records."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from ...core.errors import DataError
from ..registry import Registry
from .cli import pass_registry

INLINE = "A column of texts themselves, not of paths; may be given again."
SEED = "Of the judges, and of the records that chance compares with."


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--train",
    type=click.Path(path_type=Path),
    help="Manifest of labelled real data for the judges, where MANIFEST has no split 'train'.",
)
@click.option("--inline", multiple=True, metavar="DOMAIN", help=INLINE)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help=SEED)
@pass_registry
def evaluate(
    registry: Registry,
    folder: Path,
    manifest: Path,
    train: Path | None,
    inline: tuple[str, ...],
    seed: int,
) -> None:
    """Measure the translator in FOLDER and write its card there.

    Where MANIFEST has a column 'split', its rows 'test' are measured and its rows 'train'
    train the judges. Judges read what is made of items with labels; where rows hold source and
    target, what is made is also compared with the real target.
    """
    from ...core.evaluation.card import PAGE
    from ...core.records import Records
    from ...core.translator import Translator

    translator = Translator.load(folder, registry)
    read = partial(Records.from_manifest, domains=list(translator.domains), inline=inline)
    records = read(manifest)
    measured = records.part("test") if any(records.splits) else records
    labelled = bool(translator.classes) and any(label is not None for label in measured.labels)
    judged = None
    if labelled and train is not None:
        judged = read(train)
        judged = judged.part("train") if any(judged.splits) else judged
    elif labelled and "train" in records.splits:
        judged = records.part("train")
    elif labelled:
        raise DataError(
            f"{manifest} has no rows of the split 'train', so the judges have nothing to learn "
            "from; give a manifest of training data as --train FILE"
        )
    card = translator.evaluate(measured, train=judged, seed=seed)
    click.echo(card.files()[PAGE])  # first: where it cannot be written, it is seen at least
    card.write(folder)
