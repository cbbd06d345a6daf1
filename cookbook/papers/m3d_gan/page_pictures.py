"""The page's pictures: emoji redrawn in styles, words drawn, and pictures named."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from transmodal.cookbook.papers.cm_gans.sets import STYLES
from transmodal.cookbook.papers.m3d_gan import emoji, image_image, names
from transmodal.cookbook.work import Work
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.code import Code
from transmodal.core.evaluation.pictures import grid, save_picture
from transmodal.core.evaluation.report import Report
from transmodal.core.modality import Preview
from transmodal.core.seeds import seeded
from transmodal.core.sequences.taught import Taught
from transmodal.core.signal import Signal
from transmodal.core.translator import Translator

SHOWN, DRAWS = 8, 6  # concepts, draws of the prior


def tiles(pictures: Tensor) -> list[Preview]:
    """Pictures ``[n c h w]``, grey or RGB, as previews."""
    return [Preview(picture.expand(3, -1, -1).float().clamp(0, 1)) for picture in pictures]


def styled(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """Sources redrawn in the style of references, in drawn styles, and of single tokens."""
    source, bridge = next(d for d in ours.domains if d != image_image.TARGET), ours.bridge
    assert isinstance(bridge, UniversalAttention)
    train, test = image_image.held(work, "test")
    some = test.spread(SHOWN)
    count = len(some)
    given = image_image.sources(some, source)
    columns = [tiles(given.values)]
    for k, style in enumerate(emoji.WANTED, 1):
        asked = train, torch.full((count,), k), 100 + k
        made = image_image.redrawn(ours, source, given, image_image.styles_of(ours, *asked))
        references = image_image.references(*asked)
        columns += [tiles(shown) for shown in (references, made, some.of(style).values)]
    by_reference = grid([column[i] for i in range(count) for column in columns], len(columns))
    report.section(
        f"{source} to styled emoji",
        f"First the source. Then, for each of {', '.join(emoji.WANTED)}: the reference, another "
        "concept's picture; what was made in its style; the artist's own.",
    )
    report.picture(by_reference, f"{source} in the styles of references, and real pictures")
    fewer = [columns[0], *(c for k, c in enumerate(columns[1:]) if k % 3)]  # without references
    shown = grid([column[i] for i in range(count) for column in fewer], len(fewer))
    save_picture(shown, folder / f"{source}-styles.png")
    with seeded(2), torch.no_grad():
        drawn = bridge.style_sample(count * DRAWS)
    sampled = in_styles(ours, source, given, drawn.tokens)
    report.picture(sampled, f"{source} in {DRAWS} styles drawn from N(0, I)")
    save_picture(sampled, folder / f"{source}-sampled.png")
    if bridge.tokens:
        with torch.no_grad():
            alone = bridge.style_mix(torch.eye(bridge.tokens)).tokens
        single = in_styles(ours, source, given, alone.repeat(count, 1, 1))
        report.picture(single, f"{source} in the style of each universal token alone")
        report.picture(
            attended(ours, train),
            "What each head of the attention gives each universal token, black is 1: a column for "
            "each token, a row for each head, of each artist in turn",
        )


def in_styles(ours: Translator, source: str, given: Signal, styles: Tensor) -> Tensor:
    """A row for each source: itself, and in its share of the styles ``[n * k 1 z]``."""
    count = len(styles) // len(given)
    repeated = Signal(given.values.repeat_interleave(count, 0))
    made = tiles(image_image.redrawn(ours, source, repeated, Code(styles)))
    rows = []
    for i, tile in enumerate(tiles(given.values)):
        rows += [tile, *made[i * count : (i + 1) * count]]
    return grid(rows, count + 1)


@torch.no_grad()
def attended(ours: Translator, train: emoji.Concepts) -> Tensor:
    """What artists' references give the universal tokens, ``[3 h w]``: means, 12 pixels each."""
    bridge = ours.bridge
    assert isinstance(bridge, UniversalAttention) and bridge.styles is not None
    read = bridge.styles.references[bridge.owner[image_image.TARGET]]
    weights = [
        bridge.styles.universal.weights(read(train.of(style)[:100])[0]).mean(0)
        for style in emoji.WANTED
    ]
    ink = 1 - torch.cat(weights)
    return interpolate(ink[None, None], scale_factor=12)[0].expand(3, -1, -1)


def named(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """Pictures of words in every style, and names of pictures."""
    train, test = names.held(work, "test")
    some = test.spread(2 * SHOWN)
    texts = names.words(some)
    rows = [tiles(names.pictures(ours, train, texts, style)) for style in STYLES]
    rows.append(tiles(some.of(STYLES[0]).values))
    everything = grid([tile for row in rows for tile in row], len(some))
    report.section(
        "Names to emoji",
        f"A row for each style, {', '.join(STYLES)}; below them {STYLES[0]}'s real pictures.",
    )
    report.picture(everything, "; ".join(texts))
    save_picture(grid(rows[0] + rows[-1], len(some)), folder / "words-pictures.png")
    told = names.written(ours, some)
    report.section(
        "Emoji to names",
        "Then where the writer looked: a picture for each piece, dark where the weight is low.",
    )
    report.table(["real name", "made"], list(zip(some.names["en"], told, strict=True)))
    report.rows(looks(ours, some.take(torch.arange(0, len(some), 4))))


@torch.no_grad()
def looks(ours: Translator, some: emoji.Concepts) -> list[tuple[str, list[tuple[str, Preview]]]]:
    """For each concept its picture, and for each piece written of it the part looked at."""
    bridge, text = ours.bridge, ours.domains[names.NAME]
    seen = some.of(STYLES[0])
    made = bridge.decode(bridge.encode(seen, names.PICTURE), names.NAME)
    assert isinstance(made, Taught) and made.alignment is not None
    rows = []
    for i, name in enumerate(some.names["en"]):
        (picture,) = tiles(seen.values[i : i + 1])
        chain = [(STYLES[0], picture)]
        for step, weights in enumerate(made.alignment[i, : int(made.steps[i])]):
            side = round(len(weights) ** 0.5)
            share = (weights / weights.max()).float().view(1, 1, side, side)
            light = interpolate(share, seen.values.shape[2:], mode="bilinear")[0]
            piece = Signal(made.values[i : i + 1, step : step + 1], torch.ones(1).long())
            chain += [(text.split(piece)[0], Preview(picture.picture * light))]
        rows.append((name, chain))
    return rows
