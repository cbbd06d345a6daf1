"""Emoji in five artists' styles: the same concepts, drawn by each, with names and keywords."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from transmodal.cookbook.papers.cm_gans.sets import STYLES, cells, emoji_table, parts, stem
from transmodal.core.signal import Signal

SIZE = 64
LATIN = ("en", "fr", "de", "es")
TESTED = 200  # concepts


@dataclass(frozen=True)
class Concepts:
    """Some concepts.

    Args:
        pictures: ``[n 5 3 64 64]`` uint8, in the order of ``STYLES``.
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

    def of(self, style: str) -> Signal:
        """All concepts in one style, ``[n 3 64 64]`` in [0, 1]."""
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
    kept = kept[torch.linspace(0, len(kept) - 1, min(TESTED, len(kept))).round().long()]
    return everything.take(train), everything.take(kept)


def edges(signal: Signal) -> Signal:
    """Drawings of pictures ``[b c h w]``: dark lines where colours change, ``[b 1 h w]``.

    The largest Sobel magnitude of the channels, from 0 (none) to 1 and more (black and white
    meet), taken from white.
    """
    values = signal.values
    b, c, h, w = values.shape
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 4
    kernel = torch.stack([across, across.T])[:, None].to(values)
    flat = torch.nn.functional.pad(values, (1, 1, 1, 1), mode="replicate").view(b * c, 1, h + 2, -1)
    slope = torch.nn.functional.conv2d(flat, kernel).square().sum(1).sqrt()
    strongest = slope.view(b, c, h, w).amax(1, keepdim=True)
    return Signal(1 - (2 * strongest).clamp(max=1))
