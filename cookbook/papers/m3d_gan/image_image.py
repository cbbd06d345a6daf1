"""Image to image: an emoji of one artist redrawn in the style of a reference, by any of four.

One model for all target styles, which it is told by a reference alone: the picture of another
concept. Beside it pix2pix, which is told the style, and the picture as it is (pixel copy). The
same from drawings of edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from transmodal.cookbook.papers.cm_gans.sets import STYLES
from transmodal.cookbook.papers.m3d_gan.emoji import (
    SIZE,
    WANTED,
    Concepts,
    edges,
    load,
    pairs,
    tagged,
)
from transmodal.cookbook.papers.m3d_gan.emoji_judges import Judges, judges, known
from transmodal.cookbook.papers.m3d_gan.pix2pix import Pix2Pix
from transmodal.cookbook.work import Work, trained, translator_file, weights_file
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.code import Code
from transmodal.core.seeds import derived_seed, seeded
from transmodal.core.signal import Signal
from transmodal.core.stage import Adam
from transmodal.core.table import Table
from transmodal.core.translator import Translator
from transmodal.registry import Registry

TARGET = "styled"
STEPS = {"emoji": 8000, "edges": 3000}  # by source
QUICK = 180
LISTENING = 1500, 100  # steps in which references learn styles, in full and for a quick look
SHORT = 600  # steps of each row of Table 3
SETTINGS: Mapping[str, Any] = {
    "reference": "label", "width": 96, "latent": 8, "style_width": 64, "batch": 16,
    "rate": 7e-4, "critic_rate": 4e-4, "warmup": 50, "ema": 0.995, "conditional": False,
    "styled_critics": True, "adversarial": 3.0, "matching": 10.0, "distance": 0.05,
    "style_reconstruction": 20.0, "style_reconstruction_from": 0.55, "r1": 1e-3,
}  # fmt: skip
UNREAD: Mapping[str, Any] = {"style_reconstruction": 0.0}  # as published; all else stays
ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "all": UNREAD,
    "cvae_gan": {**UNREAD, "tokens": 0, "latent_regression": 0.0, "distance": 0.0},
    "vae_gan": {**UNREAD, "latent_regression": 0.0, "distance": 0.0},
    "vae_gan+lat": {**UNREAD, "distance": 0.0},
    "all_without_attention": {**UNREAD, "tokens": 0},
    "all+style": {},
}
MEASURES = ("realism", "identity", "diversity_z", "diversity_ref")
SAME = ("pix2pix/diversity_z", "copy/diversity_z", "copy/diversity_ref")  # 0 by construction
INPUTS, DRAWS = 100, 8  # for diversity, at most


def translator(
    source: str, steps: int, listening: int, changes: Mapping[str, Any], size: int = SIZE
) -> Translator:
    """The model of pictures of that many pixels a side, untrained."""
    image = Registry.load().modality("image")
    own = {"size": size, "grid": size // 4, "residual": 6, "likelihood": "laplace"}
    styled = image(channels=3, patches=29, slopes=20.0, augmentation=0, **own)
    drawn = image(channels=1, augmentation=0, **own) if source == "edges" else styled
    bridge = Registry.load().bridge("universal-attention")
    lengths = {"steps": steps, "listening": listening}
    return Translator(
        {source: drawn, TARGET: styled},
        bridge(tasks=[(source, TARGET)], **{**SETTINGS, **lengths, **changes}),
    )


def records(train: Concepts, source: str) -> Table:
    """Training pairs."""
    return pairs(train, source, TARGET, outlined=source == "edges")


def baseline(work: Work, tag: str, train: Concepts, source: str, steps: int, seed: int) -> Pix2Pix:
    """pix2pix, as many steps and pairs at the same rates."""
    torch.manual_seed(derived_seed(tag, seed))
    net = Pix2Pix(1 if source == "edges" else 3, len(STYLES))

    def learn(net: Pix2Pix) -> None:
        adam = Adam(SETTINGS["rate"], (0.5, 0.999), 0.0, "cosine", SETTINGS["warmup"])
        batch, critic_rate = SETTINGS["batch"], SETTINGS["critic_rate"]
        stage = net.stage(source, TARGET, steps, batch, adam, critic_rate)
        work.train(f"{tag}-{seed}", net, [stage], records(train, source))

    # named by its length too, so that another's is not taken for it
    return work.keep(f"{tag}-{steps}-{seed}", net, learn)


def sources(concepts: Concepts, source: str) -> Signal:
    """Noto's pictures, or their edges."""
    pictures = concepts.of(STYLES[0])
    return edges(pictures) if source == "edges" else pictures


@torch.no_grad()
def redrawn(model: Translator, source: str, pictures: Signal, styles: Code) -> Tensor:
    """Pictures ``[n 3 s s]`` of n sources, each in its own style."""
    bridge = model.bridge
    made = []
    for i in range(0, len(pictures), 50):
        code = bridge.encode(pictures[i : i + 50], source)
        style = Code(styles.tokens[i : i + 50])
        made.append(bridge.decode(code, TARGET, style).values)
    return torch.cat(made)


def references(train: Concepts, styles: Tensor, seed: int) -> Tensor:
    """A picture of any training concept in each of ``styles`` ``[n]``, ``[n 3 s s]``."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(train), (len(styles),), generator=generator)
    return train.pictures[chosen, styles].float() / 255


@torch.no_grad()
def styles_of(model: Translator, train: Concepts, styles: Tensor, seed: int) -> Code:
    """The style of each of ``references``."""
    pictures = references(train, styles, seed).split(50)
    return Code(torch.cat([model.bridge.style(Signal(some), TARGET).tokens for some in pictures]))


def figures(
    model: Translator, source: str, train: Concepts, test: Concepts, judge: Judges
) -> dict[str, float]:
    """Realism and identity by reference, mean over styles; diversity over z and references."""
    pictures = sources(test, source)
    found: dict[str, float] = {}
    for k, style in enumerate(WANTED, 1):
        wanted = torch.full((len(test),), k)
        made = redrawn(model, source, pictures, styles_of(model, train, wanted, 100 + k))
        found[f"realism/{style}"] = judge.realism(made, style)
        found[f"identity/{style}"] = judge.identity(made, style)
    for name in ("realism", "identity"):
        found[name] = sum(found[f"{name}/{style}"] for style in WANTED) / len(WANTED)
    inputs = min(INPUTS, len(test) // 2)
    some = torch.linspace(0, len(test) - 1, inputs).long().repeat_interleave(DRAWS)
    bridge = model.bridge
    assert isinstance(bridge, UniversalAttention)
    with seeded(1), torch.no_grad():
        drawn = bridge.style_sample(len(some))
        wanted = torch.randint(1, len(STYLES), (len(some),))
    for name, styles in (
        ("diversity_z", drawn),
        ("diversity_ref", styles_of(model, train, wanted, 7)),
    ):
        made = redrawn(model, source, pictures[some], styles)
        found[name] = judge.diversity(made.unflatten(0, (inputs, DRAWS)))
        found[f"{name}/n"] = float(inputs)
    return found


def heeded(model: Translator, source: str, train: Concepts, test: Concepts) -> dict[str, float]:
    """Whether the reference is heeded: mean absolute error of a pixel, its range 1.

    Against the artist's own picture, after a reference by that artist (``told/own``) and by the
    next (``told/other_style``). By chance they are alike.
    """
    pictures = sources(test, source)
    count = len(WANTED)

    def error(further: int) -> float:
        off = 0.0
        for k, style in enumerate(WANTED):
            wanted = torch.full((len(test),), 1 + (k + further) % count)
            made = redrawn(model, source, pictures, styles_of(model, train, wanted, 100 + k))
            off += float((made - test.of(style).values).abs().mean())
        return off / count

    return {"told/own": error(0), "told/other_style": error(1)}


def others(net: Pix2Pix, source: str, test: Concepts, judge: Judges) -> dict[str, float]:
    """What pix2pix and pixel copy reach, and how different real pictures of a concept are.

    pix2pix is told drawn styles where the model is given references; it makes nothing of draws
    of z, and a copy is always the same: their diversity is 0.
    """
    pictures = sources(test, source).values
    found: dict[str, float] = dict.fromkeys(SAME, 0.0)
    copies = pictures.expand(-1, 3, -1, -1)
    for name, make in (("pix2pix", net.make), ("copy", lambda x, k: copies)):
        for k, style in enumerate(WANTED, 1):
            made = make(pictures, k)
            found[f"{name}/realism/{style}"] = judge.realism(made, style)
            found[f"{name}/identity/{style}"] = judge.identity(made, style)
        for what in ("realism", "identity"):
            each = [found[f"{name}/{what}/{style}"] for style in WANTED]
            found[f"{name}/{what}"] = sum(each) / len(each)
    some = slice(None, None, max(1, len(test) // INPUTS))
    real = test.pictures[some, 1:].float() / 255
    made = torch.stack([net.make(pictures[some], k) for k in range(1, len(STYLES))], 1)
    generator = torch.Generator().manual_seed(7)
    wanted = torch.randint(len(WANTED), (len(real), DRAWS), generator=generator)
    rows = torch.arange(len(real))[:, None]
    found["real/diversity"] = judge.diversity(real[rows, wanted])
    found["pix2pix/diversity_ref"] = judge.diversity(made[rows, wanted])
    found |= {f"{key}/n": float(len(real)) for key in (*SAME, "pix2pix/diversity_ref", "real")}
    return found


def measure(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """From pictures: the model, pix2pix, pixel copy and the judges, on held-out concepts.

    Args:
        work: the folder.
        seed: of weights and order.
        part: ``"test"``, or ``"choices"`` for held-back training concepts, for making choices.
    """
    return compared(work, seed, part, "emoji")


def drawings(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """``measure`` from drawings of edges."""
    return compared(work, seed, part, "edges")


def compared(work: Work, seed: int, part: str, source: str) -> dict[str, float]:
    """What ``measure`` says, from a source."""
    tag = tagged(f"image_image-{source}", part)
    steps = QUICK if work.quick else STEPS[source]

    train, test = held(work, part)
    table, listening = records(train, source), LISTENING[work.quick]
    model = trained(
        work,
        tag,
        seed,
        lambda: translator(source, steps, listening, {}, train.size),
        lambda: table,
    )
    net = baseline(work, f"pix2pix-{tag}", train, source, steps, seed)

    def values() -> dict[str, float]:
        judge = judges(work, train, test, tagged("", part))
        found = {"n": float(len(test)), **figures(model, source, train, test, judge)}
        found |= heeded(model, source, train, test)
        found |= {f"judge/{key}": value for key, value in known(judge.styles, test).items()}
        found |= others(net, source, test, judge)
        found["parameters"] = float(translating(model))
        found["pix2pix/parameters"] = float(sum(p.numel() for p in net.net.parameters()))
        return found

    of = [translator_file(tag, seed), weights_file(f"pix2pix-{tag}-{steps}-{seed}")]
    return work.remember(f"{tag}-{seed}", values, of)


def ablations(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """Table 3, without style reconstruction, and a row that is the model; all are shorter than it.

    All rows have references that learned styles from labels, which the paper's have not; so a
    row without KL, or without latent regression, cannot lose the style for want of it.
    """
    train, test = held(work, part)
    table = records(train, "emoji")
    judge = cache(lambda: judges(work, train, test, tagged("", part)))
    lengths = work.steps(SHORT), LISTENING[work.quick]
    found: dict[str, float] = {}
    for name, changes in ABLATIONS.items():
        tag = tagged(f"ablation-{name}", part)

        make = partial(translator, "emoji", *lengths, changes, train.size)
        model = trained(work, tag, seed, make, lambda: table)

        def values(model: Translator = model) -> dict[str, float]:
            return {"n": float(len(test)), **figures(model, "emoji", train, test, judge())}

        row = work.remember(f"{tag}-{seed}", values, [translator_file(tag, seed)])
        found |= {f"{name}/{key}": row[key] for key in MEASURES}
    return found


def held(work: Work, part: str) -> tuple[Concepts, Concepts]:
    """Training and test concepts of a part; for a quick look smaller, and few of the latter.

    Raises:
        DataError: the data are not there.
    """
    train, test = load(validate=part == "choices")
    if work.quick:
        return train.halved(), test.take(torch.arange(0, len(test), 5)).halved()
    return train, test


def translating(model: Translator) -> int:
    """Parameters of everything but the critics."""
    bridge = model.bridge
    assert isinstance(bridge, UniversalAttention)
    critics = 0 if bridge.branches is None else sum(p.numel() for p in bridge.branches.parameters())
    return sum(p.numel() for p in bridge.parameters()) - critics
