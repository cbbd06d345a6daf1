"""Names to emoji and emoji to names: one translator for both ways.

A concept's words (its name and keywords) are drawn in the style of a reference; a picture is
named. The words that are read and the names that are written are domains of one text modality,
whose subnets they share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from transmodal.cookbook.papers.cm_gans.sets import STYLES
from transmodal.cookbook.papers.latent_transfer.models import Work, remember
from transmodal.cookbook.papers.m3d_gan.emoji import SIZE, Concepts, load
from transmodal.cookbook.papers.m3d_gan.emoji_judges import Judges, judges
from transmodal.cookbook.papers.m3d_gan.training import trained
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.code import Code
from transmodal.core.records import Records
from transmodal.core.sequences.taught import teach
from transmodal.core.translator import Translator
from transmodal.registry import Registry

WORDS, NAME, PICTURE = "words", "name", "picture"
SETTINGS = {"width": 128, "latent": 8, "steps": 5000, "batch": 32, "beta1": 0.5, "rate": 1e-3}
QUICK = {"steps": 120, "batch": 16, "width": 32}
LONGEST = 80  # characters of a concept's words
TEXT = {"longest": LONGEST, "dropout": 0.3, "augmentation": 0.05, "beams": 4, "penalty": 1.0}


def words(concepts: Concepts) -> list[str]:
    """Names with keywords that the name does not hold."""
    made = []
    for name, keywords in zip(concepts.names["en"], concepts.keywords["en"], strict=True):
        more = [word for word in keywords.split() if word not in name.split()]
        made.append(" ".join([name, *more])[:LONGEST].strip())
    return made


def records(concepts: Concepts) -> Records:
    """A record for each concept and style; the label is the style."""
    n, s = concepts.pictures.shape[:2]
    columns = {
        WORDS: [text for text in words(concepts) for _ in range(s)],
        NAME: [text for text in concepts.names["en"] for _ in range(s)],
        PICTURE: list(concepts.pictures.flatten(0, 1)),
    }
    return Records.from_arrays(columns, list(STYLES) * n, paired=True)


def translator(concepts: Concepts, quick: bool) -> Translator:
    """The translator, untrained."""
    registry = Registry.load()
    text = registry.modality("text").learned(words(concepts), unit="character", size=80, **TEXT)
    picture = registry.modality("image")(size=SIZE, channels=3, likelihood="laplace", flip=True)
    bridge = registry.bridge("universal-attention")(
        tasks=[(WORDS, PICTURE), (PICTURE, NAME)],
        styled=[PICTURE],
        reference="label",
        adversarial={PICTURE: 0.05},
        **{**SETTINGS, **(QUICK if quick else {})},
    )
    return Translator({WORDS: text, NAME: text, PICTURE: picture}, bridge)


def measure(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """Both ways on held-out concepts, beside the nearest name's and chance."""
    train, test = load(validate=part == "choices")

    def values() -> dict[str, float]:
        tag = "names" if part == "test" else "names-choices"
        ours = trained(
            work, tag, seed, lambda: translator(train, work.quick), lambda: records(train)
        )
        judged = judges(work, train, test)
        found = {"n": float(len(test)), "chance": 1 / len(test)}
        found |= drawn(ours, judged, train, test) | named(ours, train, test)
        return found

    return remember(work.folder / "values" / f"names-{part}-{seed}.json", values)


def drawn(ours: Translator, judged: Judges, train: Concepts, test: Concepts) -> dict[str, float]:
    """Words to pictures in noto's style: is the nearest real picture that of the concept?"""
    made = pictures(ours, train, words(test))
    near = nearest(words(test), words(train))
    copied = train.of("noto").values[near]
    return {
        "text_image/top1": judged.identity(made, "noto"),
        "text_image/realism": judged.realism(made, "noto"),
        "text_image/nearest_name": judged.identity(copied, "noto"),
    }


@torch.no_grad()
def pictures(ours: Translator, train: Concepts, texts: Sequence[str]) -> Tensor:
    """``[n 3 64 64]`` of texts, in the style of the first training concepts' noto pictures."""
    bridge = ours.bridge
    assert isinstance(bridge, UniversalAttention)
    style = bridge.style(train.of("noto")[:64], PICTURE).tokens.mean(0, keepdim=True)
    made = []
    for start in range(0, len(texts), 50):
        signal = ours.domains[WORDS].collate(texts[start : start + 50])
        made.append(bridge.decode(bridge.encode(signal, WORDS), PICTURE, Code(style)).values)
    return torch.cat(made).float().clamp(0, 1)


def named(ours: Translator, train: Concepts, test: Concepts) -> dict[str, float]:
    """Noto pictures to names: is the nearest of the test concepts' names the right one?"""
    import sacrebleu

    real = list(test.names["en"])
    made = ours.translate(list(test.of("noto").values), PICTURE, NAME)
    right = nearest(made, real) == torch.arange(len(real))
    seen = train.of("noto").values.flatten(1)
    like = torch.cdist(test.of("noto").values.flatten(1), seen).argmin(1)
    copied = [train.names["en"][i] for i in like.tolist()]
    copies = nearest(copied, real) == torch.arange(len(real))
    ranked = likeliest(ours, test) == torch.arange(len(real))
    return {
        "image_text/top1": float(right.double().mean()),
        "image_text/top1_likelihood": float(ranked.double().mean()),
        "image_text/nearest_picture": float(copies.double().mean()),
        "image_text/chrf": sacrebleu.corpus_chrf(made, [real]).score,
        "image_text/bleu1": sacrebleu.BLEU(max_ngram_order=1).corpus_score(made, [real]).score,
        "image_text/nearest_picture/chrf": sacrebleu.corpus_chrf(copied, [real]).score,
    }


@torch.no_grad()
def likeliest(ours: Translator, test: Concepts) -> Tensor:
    """``[n]``: which of the n names a picture makes likelier, against the mean over pictures."""
    bridge, text = ours.bridge, ours.domains[NAME]
    assert isinstance(bridge, UniversalAttention)
    names = text.collate(list(test.names["en"]))
    code = bridge.encode(test.of("noto"), PICTURE)
    generator = bridge.generators[bridge.owner[NAME]]
    nats = []
    for i in range(len(test)):
        one = Code(code.tokens[i : i + 1].expand(len(test), -1, -1))
        nats.append(text.reconstruction(teach(generator, one, None, names), names))
    scores = torch.stack(nats)
    return (scores - scores.mean(0)).argmin(1)


def nearest(texts: Sequence[str], among: Sequence[str]) -> Tensor:
    """``[n]``: the most similar text for each, by TF-IDF of two to four letters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    reader = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit(among)
    scores: NDArray[np.float64] = (reader.transform(texts) @ reader.transform(among).T).toarray()
    return torch.from_numpy(scores.argmax(1))
