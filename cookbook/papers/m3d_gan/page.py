"""One page of what the translators in the work folder make of held-out items."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from transmodal.cookbook.papers.cm_gans.sets import STYLES
from transmodal.cookbook.papers.m3d_gan import (
    emoji,
    image_image,
    names,
    prompts_speech,
    tatoeba,
    text_speech,
)
from transmodal.cookbook.papers.m3d_gan.voices import STYLES as VOICES
from transmodal.cookbook.work import Work
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.evaluation.pictures import grid, save_picture
from transmodal.core.evaluation.report import Report
from transmodal.core.modality import Preview
from transmodal.core.seeds import seeded
from transmodal.core.sequences.taught import Taught
from transmodal.core.signal import Signal
from transmodal.core.translator import Translator
from transmodal.registry import Registry

SHOWN, DRAWS = 8, 6  # concepts, draws of the prior


def page(work: Work, seed: int, pictures: Path) -> Path:
    """Write the page, and its grids as files for the README.

    Args:
        work: the folder; a task whose translator is not there is left out.
        seed: of the translators.
        pictures: folder of the grids.
    """
    report = Report(
        "M3D-GAN: six tasks, one architecture",
        "Held-out items, not chosen: at even distances in the test part.",
    )
    sections: list[tuple[str, Callable[[Report, Work, Translator, Path], None]]] = [
        ("image_image-emoji", styled),
        ("image_image-edges", styled),
        ("names", named),
        ("text_speech", spoken),
        ("prompts_speech", prompted),
        ("speech_text", heard),
        ("text_text", translated),
    ]
    for tag, section in sections:
        folder = work.folder / "translators" / f"{tag}-{seed}"
        if (folder / "config.json").is_file():
            section(report, work, Translator.load(folder, Registry.load()), pictures)
    path = work.folder / "report.html"
    report.write(path)
    return path


def tiles(pictures: Tensor) -> list[Preview]:
    """Pictures ``[n c h w]``, grey or RGB, as previews."""
    return [Preview(picture.expand(3, -1, -1).float().clamp(0, 1)) for picture in pictures]


def styled(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """Sources redrawn in the style of references, and in drawn styles."""
    source = next(d for d in ours.domains if d != image_image.TARGET)
    train, test = emoji.load()
    some = test.take(torch.linspace(0, len(test) - 1, SHOWN).round().long())
    given = image_image.sources(some, source)
    bridge = ours.bridge
    assert isinstance(bridge, UniversalAttention)
    columns = [tiles(given.values)]
    for k, style in enumerate(emoji.WANTED, 1):
        wanted = torch.full((SHOWN,), k)
        codes = image_image.styles_of(ours, train, wanted, 100 + k)
        columns += [tiles(image_image.redrawn(ours, source, given, codes))]
        columns += [tiles(some.of(style).values)]
    by_reference = grid([column[i] for i in range(SHOWN) for column in columns], len(columns))
    with seeded(2), torch.no_grad():
        drawn = bridge.style_sample(SHOWN * DRAWS)
    repeated = Signal(given.values.repeat_interleave(DRAWS, 0))
    made = tiles(image_image.redrawn(ours, source, repeated, drawn))
    rows = []
    for i, tile in enumerate(columns[0]):
        rows += [tile, *made[i * DRAWS : (i + 1) * DRAWS]]
    sampled = grid(rows, DRAWS + 1)
    report.section(
        f"{source} to styled emoji",
        "First the source. Then, for each of "
        f"{', '.join(emoji.WANTED)}: what was made in the style of a reference (another "
        "concept's picture), and the artist's own. Last, how much each head of the attention "
        "gives each universal token, black is 1: a row for each head, of each artist in turn.",
    )
    report.picture(by_reference, f"{source} in the styles of references, and real pictures")
    report.picture(sampled, f"{source} in {DRAWS} styles drawn from N(0, I)")
    report.picture(attended(ours, train), "universal tokens: a column each; rows, see above")
    save_picture(by_reference, folder / f"{source}-styles.png")
    save_picture(sampled, folder / f"{source}-sampled.png")


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
    """Pictures of words, and names of pictures."""
    train, test = emoji.load()
    some = test.take(torch.linspace(0, len(test) - 1, 2 * SHOWN).round().long())
    texts = names.words(some)
    made = names.pictures(ours, train, texts)
    both = grid([*tiles(made), *tiles(some.of(STYLES[0]).values)], 2 * SHOWN)
    report.section("Names to emoji", "Above what was made of the words, below the real pictures.")
    report.picture(both, "; ".join(texts))
    save_picture(both, folder / "words-pictures.png")
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
        chain = [("noto", picture)]
        for step, weights in enumerate(made.alignment[i, : int(made.steps[i])]):
            side = round(len(weights) ** 0.5)
            share = (weights / weights.max()).float().view(1, 1, side, side)
            light = interpolate(share, seen.values.shape[2:], mode="bilinear")[0]
            piece = Signal(made.values[i : i + 1, step : step + 1], torch.ones(1).long())
            chain += [(text.split(piece)[0], Preview(picture.picture * light))]
        rows.append((name, chain))
    return rows


def spoken(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """Sentences said in the style of references, and where the generator looked."""
    real = text_speech.corpus(work, "test", text_speech.TESTED)
    count = len(real) // len(VOICES)
    speech = ours.domains["speech"]
    report.section(
        "Text to speech",
        "Rows: a sentence. Each in the style of a reference clip of another sentence, and the "
        "alignment: characters upwards, steps to the right.",
    )
    for i in range(0, count, max(1, count // 4))[:4] if count > 3 else range(count):
        texts = [real.texts[i]] * len(VOICES)
        references = [real.waves[k * count + (i + 1) % count] for k in range(len(VOICES))]
        said = text_speech.say(ours, texts, references)
        chain = []
        for style, wave, alignment in zip(VOICES, said.waves, said.alignments, strict=True):
            chain.append((f"as {style}", speech.preview(text_speech.hearable(wave))))
            chain.append(("alignment", Preview(looked(alignment))))
        report.rows([(real.texts[i], chain)])
        if i == 0:
            save_picture(looked(said.alignments[0]), folder / "alignment.png")


def prompted(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """A person's prompts, her own and made after another of hers."""
    real = prompts_speech.hers("test").take(range(5))
    speech = ours.domains["speech"]
    said = text_speech.say(ours, real.texts, [*real.waves[1:], real.waves[0]])
    report.section("Text to speech of a person", "Her recording, what was made, the alignment.")
    for text, own, wave, alignment in zip(
        real.texts, real.waves, said.waves, said.alignments, strict=True
    ):
        chain = [
            ("her recording", speech.preview(own)),
            ("made", speech.preview(text_speech.hearable(wave))),
            ("alignment", Preview(looked(alignment))),
        ]
        report.rows([(text, chain)])


def looked(alignment: Tensor) -> Tensor:
    """Weights ``[s n]`` as a picture: tokens upwards, steps to the right, black is 1."""
    ink = 1 - alignment.detach().float().cpu().T.flip(0).clamp(0, 1)
    return interpolate(ink[None, None], scale_factor=4)[0].expand(3, -1, -1)


@torch.no_grad()
def heard(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """What was written of clips."""
    real = text_speech.corpus(work, "test", text_speech.TESTED)
    chosen = torch.linspace(0, len(real) - 1, 12).long().tolist()
    told = ours.translate([real.waves[i] for i in chosen], "speech", "text")
    report.section("Speech to text")
    report.table(
        ["said", "written"], [(real.texts[i], t) for i, t in zip(chosen, told, strict=True)]
    )


@torch.no_grad()
def translated(report: Report, work: Work, ours: Translator, folder: Path) -> None:
    """Translated sentences, and one alignment."""
    _, _, test = tatoeba.load()
    english, french = test.english[:16], test.french[:16]
    code = ours.bridge.encode(ours.domains["english"].collate(english), "english")
    made = ours.bridge.decode(code, "french")
    assert isinstance(made, Taught) and made.alignment is not None and code.mask is not None
    told = ours.domains["french"].split(made)
    report.section("English to French", "Trained on sentences of Tatoeba.")
    report.table(["English", "made", "a person's"], list(zip(english, told, french, strict=True)))
    steps, count = int(made.steps[0]), int(code.mask[0].sum())
    report.picture(looked(made.alignment[0, :steps, :count]), f"alignment of: {english[0]}")
