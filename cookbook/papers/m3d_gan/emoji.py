"""Emoji in five artists' styles: the same concepts, drawn by each, with names and keywords."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from transmodal.cookbook.papers.cm_gans.sets import STYLES, cells, emoji_table, parts, stem
from transmodal.core.signal import Signal
from transmodal.core.table import Table

SIZE = 64
LATIN = ("en", "fr", "de", "es")
WANTED = STYLES[1:]  # to be made; noto's pictures are the sources
TESTED = 200  # concepts
FARTHEST = 3  # pixels a training picture is moved
VARIANTS = 4  # moves of a training pair
COLOURS = {
    "red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white", "pink", "grey",
}  # fmt: skip


@dataclass(frozen=True)
class Concepts:
    """Some concepts.

    Args:
        pictures: ``[n 5 3 s s]`` uint8, in the order of ``STYLES``; s is ``SIZE``, or half of it.
        names: language (en, fr, de, es) -> n names.
        keywords: language (en, fr) -> n texts of words parted by blanks.
        groups: ``[n]`` indices of ``kinds``.
        kinds: the groups' names.
    """

    pictures: Tensor
    names: Mapping[str, Sequence[str]]
    keywords: Mapping[str, Sequence[str]]
    groups: Tensor
    kinds: Sequence[str]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def size(self) -> int:
        """s, pixels of a side."""
        return self.pictures.shape[-1]

    def of(self, style: str) -> Signal:
        """All concepts in one style, ``[n 3 s s]`` in [0, 1]."""
        return Signal(self.pictures[:, STYLES.index(style)].float() / 255)

    def take(self, index: Tensor) -> Concepts:
        """The concepts at an index ``[m]``."""
        chosen = index.tolist()

        def some(texts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
            return {language: [given[i] for i in chosen] for language, given in texts.items()}

        return Concepts(
            self.pictures[index],
            some(self.names),
            some(self.keywords),
            self.groups[index],
            self.kinds,
        )

    def spread(self, count: int) -> Concepts:
        """So many of them, at even distances; all where there are fewer."""
        return self.take(torch.linspace(0, len(self) - 1, min(count, len(self))).round().long())

    def coloured(self) -> Concepts:
        """Those whose name says a colour: "red heart", "blue book"."""
        named = [not COLOURS.isdisjoint(name.split()) for name in self.names["en"]]
        return self.take(torch.tensor(named).nonzero()[:, 0])

    def halved(self) -> Concepts:
        """The concepts in pictures of half the size, by the mean of four pixels."""
        n, k, *_ = self.pictures.shape
        small = avg_pool2d(self.pictures.flatten(0, 1).float(), 2).round().to(torch.uint8)
        return replace(self, pictures=small.unflatten(0, (n, k)))


def load(validate: bool = False) -> tuple[Concepts, Concepts]:
    """Training concepts and 200 test concepts, no name of which is a variant of another's.

    Variants (man, woman, person; words after a colon) stand on one side of the split, which is
    that of ``cm_gans``; of a test concept's variants, which look alike, only the first is kept.

    Args:
        validate: test on held-back training concepts instead, for making choices.

    Raises:
        DataError: the data are not there.
    """
    folder, rows = emoji_table()
    kinds = sorted({row["group"] for row in rows})
    sheets = [cells(folder / f"{style}.png", rows) for style in STYLES]
    everything = Concepts(
        torch.stack([(sheet * 255).round().to(torch.uint8) for sheet in sheets], 1),
        {language: [row[language] for row in rows] for language in LATIN},
        {
            language: [row[f"tags_{language}"].replace(",", " ") for row in rows]
            for language in ("en", "fr")
        },
        torch.tensor([kinds.index(row["group"]) for row in rows]),
        kinds,
    )
    stems = [stem(row["en"]) for row in rows]
    part = parts(stems)
    train = (part == 0 if validate else part != 2).nonzero()[:, 0]
    held = (part == (1 if validate else 2)).nonzero()[:, 0]
    firsts = {stems[i]: i for i in reversed(held.tolist())}
    # every so manieth of them all, as the table is sorted by group
    kept = torch.tensor(sorted(firsts.values()))
    return everything.take(train), everything.take(kept).spread(TESTED)


def tagged(name: str, part: str) -> str:
    """The name of what was trained for a part, ``"test"`` or ``"choices"``."""
    return name if part == "test" else f"{name}-{part}"


@dataclass(frozen=True)
class Drawn:
    """One side of pairs of pictures as a column of a table.

    Both sides are mirrored and moved alike, by what stands in ``moves``; so a row is the same
    whenever it is taken, and training resumes as it would have gone on.

    Args:
        pictures: ``[n 5 3 s s]`` uint8.
        concepts, labels: ``[m]`` which picture a row shows: of which concept, in which style.
        moves: ``[m 3]`` whether it is mirrored (0, 1), and the pixels it is moved down and right.
        outlined: whether it shows the edges only.
    """

    pictures: Tensor
    concepts: Tensor
    labels: Tensor
    moves: Tensor
    outlined: bool = False

    @property
    def rows(self) -> Tensor:
        return torch.arange(len(self))

    def __len__(self) -> int:
        return len(self.concepts)

    def take(self, index: Tensor) -> Signal:
        chosen = self.pictures[self.concepts[index], self.labels[index]].float() / 255
        wide, size = pad(chosen, [FARTHEST] * 4, value=1.0), chosen.shape[-1]
        moved = []
        for picture, (mirrored, down, right) in zip(wide, self.moves[index].tolist(), strict=True):
            top, left = FARTHEST - down, FARTHEST - right
            cut = picture[:, top : top + size, left : left + size]
            moved.append(cut.flip(-1) if mirrored else cut)
        signal = Signal(torch.stack(moved))
        return edges(signal) if self.outlined else signal


def pairs(concepts: Concepts, source: str, target: str, outlined: bool = False) -> Table:
    """Training pairs of pictures of the same concept, the second in a style of its own.

    Half of them begin in the first style, noto, in which none ends, so that critics do not take
    it for one that is wanted; the others are all ordered pairs of the other styles. Each has
    ``VARIANTS`` rows of differing moves. The label of a row is its style.

    Args:
        concepts: of the training part.
        source, target: names of the domains.
        outlined: whether the source shows edges only.
    """
    count = len(STYLES)
    others = [(a, b) for a in range(1, count) for b in range(1, count) if a != b]
    first = [(0, b) for b in range(1, count)]
    both = torch.tensor(first * (len(others) // len(first)) + others)
    n, generator = len(concepts), torch.Generator().manual_seed(3)
    which = torch.arange(n).repeat_interleave(len(both) * VARIANTS)
    styles = both.repeat(n * VARIANTS, 1)
    moves = torch.randint(-FARTHEST, FARTHEST + 1, (len(which), 3), generator=generator)
    moves[:, 0] = torch.randint(2, (len(which),), generator=generator)

    def column(side: int, outlined: bool) -> Drawn:
        return Drawn(concepts.pictures, which, styles[:, side], moves, outlined)

    return Table({source: column(0, outlined), target: column(1, False)}, STYLES)


def edges(signal: Signal) -> Signal:
    """Drawings of pictures ``[b c h w]``: dark lines where colours change, ``[b 1 h w]``.

    The largest Sobel magnitude of the channels, from 0 (none) to 1 and more (black and white
    meet), taken from white.
    """
    values = signal.values
    b, c, h, w = values.shape
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 4
    kernel = torch.stack([across, across.T])[:, None].to(values)
    flat = pad(values, (1, 1, 1, 1), mode="replicate").view(b * c, 1, h + 2, -1)
    slope = conv2d(flat, kernel).square().sum(1).sqrt()
    strongest = slope.view(b, c, h, w).amax(1, keepdim=True)
    return Signal(1 - (2 * strongest).clamp(max=1))
