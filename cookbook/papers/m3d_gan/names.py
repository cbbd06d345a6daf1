"""Names to emoji and emoji to names: one translator for both ways.

A concept's words (its name and keywords) are drawn in the style of a reference; a picture is
named. Words that are read and names that are written are spelt with the same pieces. No critic:
there are few concepts, and what a processor of one core can learn of them is learned best by
being told.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from transmodal.cookbook.papers.cm_gans.sets import STYLES
from transmodal.cookbook.papers.m3d_gan.emoji import FARTHEST, Concepts, Drawn, load, tagged
from transmodal.cookbook.papers.m3d_gan.emoji_judges import Judges, judges
from transmodal.cookbook.work import Work, trained, translator_file
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.code import Code
from transmodal.core.modality import Modality
from transmodal.core.sequences.taught import teach
from transmodal.core.table import Column, Memory, Table
from transmodal.core.translator import Translator
from transmodal.registry import Registry

WORDS, DRAWING = "words", "drawing"  # a text, and what is drawn of it
PICTURE, NAME = "picture", "name"  # a picture, and what it is called
SETTINGS = {"width": 128, "latent": 8, "steps": 4000, "batch": 64, "listening": 400}
QUICK = {
    "steps": 150, "batch": 32, "width": 64, "listening": 40, "warmup": 20, "schedule": "constant",
}  # fmt: skip
LONGEST = 80  # characters of a concept's words
VARIANTS = 8  # rows of a concept and style: other words in another order, another move
KEPT = 0.75  # the chance of a word in a variant
KNOWN = 100  # training pictures that a name's likelihood is held against


def phrases(concepts: Concepts) -> Iterator[tuple[str, list[str]]]:
    """Names, with the keywords that the name does not hold."""
    for name, keywords in zip(concepts.names["en"], concepts.keywords["en"], strict=True):
        yield name, [word for word in keywords.split() if word not in name.split()]


def joined(parts: Sequence[str]) -> str:
    """As many parts as ``LONGEST`` holds, a blank before each, so that pieces are alike."""
    text = ""
    for part in parts:
        if len(text) + 1 + len(part) <= LONGEST:
            text += f" {part}"
    return text


def words(concepts: Concepts) -> list[str]:
    """Names with keywords."""
    return [joined([name, *more]) for name, more in phrases(concepts)]


def named_so(concepts: Concepts) -> list[str]:
    """Names, a blank before each."""
    return [f" {name}" for name in concepts.names["en"]]


def varied(concepts: Concepts, draws: random.Random) -> list[str]:
    """Some of the words, in any order; the name's stay together in every other text."""
    made = []
    for name, more in phrases(concepts):
        parts = [*([name] if draws.random() < 0.5 else name.split()), *more]
        some = [part for part in parts if draws.random() < KEPT] or parts
        made.append(joined(draws.sample(some, len(some))))
    return made


@dataclass(frozen=True)
class Ends:
    """The modalities: texts of pieces, pictures that are read, and pictures that are made."""

    text: Modality
    seen: Modality
    made: Modality

    @classmethod
    def of(cls, concepts: Concepts, quick: bool) -> Ends:
        registry = Registry.load()
        sizes = {"hidden": 128, "bank": 2} if quick else {}
        text = registry.modality("text").learned(
            words(concepts), size=3000, longest=LONGEST, dropout=0.3, beams=4, penalty=1.0, **sizes
        )
        image = registry.modality("image")
        size = concepts.size
        seen = image(size=size, channels=3, grid=4)  # few tokens, each of half the picture
        return cls(text, seen, image(size=size, channels=3, likelihood="laplace"))


def table(concepts: Concepts, ends: Ends) -> Table:
    """Rows of a concept in a style, which is the label; ``VARIANTS`` of each.

    Texts differ from row to row, and pictures that are named are mirrored and moved; those
    that are to be drawn are not.
    """
    n, s = concepts.pictures.shape[:2]
    draws = random.Random(3)
    texts = [text for _ in range(VARIANTS * s) for text in varied(concepts, draws)]
    names = named_so(concepts) * (VARIANTS * s)
    which = torch.arange(n).repeat(VARIANTS * s)
    labels = torch.arange(s).repeat_interleave(n).repeat(VARIANTS)
    moves = torch.randint(
        -FARTHEST, FARTHEST + 1, (len(which), 3), generator=torch.Generator().manual_seed(3)
    )
    moves[:, 0] = moves[:, 0] > 0
    columns: dict[str, Column] = {
        WORDS: Memory(ends.text.collate(texts), labels),
        NAME: Memory(ends.text.collate(names), labels),
        PICTURE: Drawn(concepts.pictures, which, labels, moves),
        DRAWING: Drawn(concepts.pictures, which, labels, torch.zeros_like(moves)),
    }
    return Table(columns, STYLES)


def translator(ends: Ends, quick: bool) -> Translator:
    """The translator, untrained."""
    bridge = Registry.load().bridge("universal-attention")(
        tasks=[(WORDS, DRAWING), (PICTURE, NAME)],
        styled=[DRAWING],
        reference="label",
        adversarial=0.0,
        latent_regression=0.0,
        distance=0.0,
        beta1=0.9,
        rate=1.5e-3,
        **{**SETTINGS, **(QUICK if quick else {})},
    )
    domains = {WORDS: ends.text, NAME: ends.text, PICTURE: ends.seen, DRAWING: ends.made}
    return Translator(domains, bridge)


def ours(work: Work, tag: str, seed: int, train: Concepts) -> Translator:
    """The translator, out of the folder or trained now."""
    ends = Ends.of(train, work.quick)
    return trained(
        work, tag, seed, lambda: translator(ends, work.quick), lambda: table(train, ends)
    )


def held(work: Work, part: str) -> tuple[Concepts, Concepts]:
    """Training and test concepts of a part; for a quick look, small, those named by a colour."""
    train, test = load(validate=part == "choices")
    if work.quick:
        return train.coloured().halved(), test.coloured().halved()
    return train, test


def measure(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """Both ways on held-out concepts, beside the nearest name's and the nearest picture's.

    ``rank`` is the mean share of the other concepts that come before the right one: chance is .5.
    """
    train, test = held(work, part)
    tag = tagged("names", part)
    model = ours(work, tag, seed, train)

    def values() -> dict[str, float]:
        judged = judges(work, train, test, tagged("-coloured" if work.quick else "", part))
        found = {"n": float(len(test)), "chance": 1 / len(test), **heeded(model, train, test)}
        return found | drawn(model, judged, train, test) | named(model, train, test)

    return work.remember(f"names-{part}-{seed}", values, [translator_file(tag, seed)])


@torch.no_grad()
def heeded(model: Translator, train: Concepts, test: Concepts) -> dict[str, float]:
    """Whether sources are heeded at all: errors given their own, and given another concept's.

    ``told/drawing`` is the mean absolute error of a pixel, ``told/naming`` nats of a name; by
    chance those of ``.../other`` are the same.
    """
    bridge, text = model.bridge, model.domains[NAME]
    assert isinstance(bridge, UniversalAttention)
    real = test.of("noto")
    names = text.collate(named_so(test))
    generator = bridge.generators[bridge.owner[NAME]]
    found = {}
    for key, order in (
        ("", torch.arange(len(test))),
        ("/other", torch.arange(len(test)).roll(1)),
    ):
        asked = test.take(order)
        made = pictures(model, train, words(asked))
        found[f"told/drawing{key}"] = float((made - real.values).abs().mean())
        code = bridge.encode(asked.of("noto"), PICTURE)
        nats = text.reconstruction(teach(generator, code, None, names), names)
        found[f"told/naming{key}"] = float(nats.mean())
    return found


def drawn(model: Translator, judged: Judges, train: Concepts, test: Concepts) -> dict[str, float]:
    """Words to pictures in noto's style: is the nearest real picture that of the concept?"""
    made = pictures(model, train, words(test))
    near = nearest(words(test), words(train))
    alone = nearest(test.names["en"], train.names["en"])
    copies = train.of("noto").values
    return {
        "text_image/top1": judged.identity(made, "noto"),
        "text_image/rank": rank(judged.features(made) @ judged.real["noto"].T),
        "text_image/realism": judged.realism(made, "noto"),
        "text_image/nearest_name": judged.identity(copies[alone], "noto"),
        "text_image/nearest_words": judged.identity(copies[near], "noto"),
    }


@torch.no_grad()
def pictures(
    model: Translator, train: Concepts, texts: Sequence[str], artist: str = "noto"
) -> Tensor:
    """``[n 3 s s]`` of texts, in the style of the first training concepts by an artist."""
    bridge = model.bridge
    assert isinstance(bridge, UniversalAttention)
    style = bridge.style(train.of(artist)[:64], DRAWING).tokens.mean(0, keepdim=True)
    made = []
    for start in range(0, len(texts), 50):
        signal = model.domains[WORDS].collate(texts[start : start + 50])
        made.append(bridge.decode(bridge.encode(signal, WORDS), DRAWING, Code(style)).values)
    return torch.cat(made).float().clamp(0, 1)


def named(model: Translator, train: Concepts, test: Concepts) -> dict[str, float]:
    """Noto pictures to names: which of the test concepts' names is it?

    ``top1``: the one that the written name is most like; ``top1_likelihood``: the one that the
    picture makes likelier than other pictures do. The baseline writes the name of the training
    picture with the nearest pixels.
    """
    import sacrebleu

    real = list(test.names["en"])
    made = written(model, test)
    right = nearest(made, real) == torch.arange(len(real))
    seen = train.of("noto").values.flatten(1)
    like = torch.cdist(test.of("noto").values.flatten(1), seen).argmin(1)
    copied = [train.names["en"][i] for i in like.tolist()]
    copies = nearest(copied, real) == torch.arange(len(real))
    likely = likelier(model, train, test)
    ranked = likely.argmax(1) == torch.arange(len(real))
    bleu = sacrebleu.BLEU(max_ngram_order=1)
    return {
        "image_text/top1": float(right.double().mean()),
        "image_text/top1_likelihood": float(ranked.double().mean()),
        "image_text/rank": rank(likely),
        "image_text/nearest_picture": float(copies.double().mean()),
        "image_text/chrf": sacrebleu.corpus_chrf(made, [real]).score,
        "image_text/bleu1": bleu.corpus_score(made, [real]).score,
        "image_text/nearest_picture/chrf": sacrebleu.corpus_chrf(copied, [real]).score,
        "image_text/nearest_picture/bleu1": bleu.corpus_score(copied, [real]).score,
    }


def written(model: Translator, concepts: Concepts) -> list[str]:
    """What noto's pictures are called."""
    made = model.translate(list(concepts.of("noto").values), PICTURE, NAME)
    return [name.strip() for name in made]


@torch.no_grad()
def likelier(model: Translator, train: Concepts, test: Concepts) -> Tensor:
    """``[n n]``: nats by which a test picture makes a name likelier than training pictures do."""
    bridge, text = model.bridge, model.domains[NAME]
    assert isinstance(bridge, UniversalAttention)
    names = text.collate(named_so(test))
    generator = bridge.generators[bridge.owner[NAME]]

    def nats(concepts: Concepts) -> Tensor:
        code = bridge.encode(concepts.of("noto"), PICTURE)
        found = []
        for i in range(len(code)):
            one = replace(code, tokens=code.tokens[i : i + 1].expand(len(names), -1, -1))
            found.append(text.reconstruction(teach(generator, one, None, names), names))
        return torch.stack(found)

    return nats(train.spread(KNOWN)).mean(0) - nats(test)


def rank(scores: Tensor) -> float:
    """Of scores ``[n n]``, queries by candidates: the share of others not below the right one."""
    below = (scores < scores.diagonal()[:, None]).sum(1)
    return 1 - float(below.double().mean() / (len(scores) - 1))


def nearest(texts: Sequence[str], among: Sequence[str]) -> Tensor:
    """``[n]``: the most similar text for each, by TF-IDF of two to four letters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    reader = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit(among)
    scores: NDArray[np.float64] = (reader.transform(texts) @ reader.transform(among).T).toarray()
    return torch.from_numpy(scores.argmax(1))
