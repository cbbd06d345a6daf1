"""A segment: items of one domain that are stored together and never change."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import DataError
from .codes import BLOCK, Codes
from .texts import Texts

MOST = 2**18  # rows of a segment


def _fresh() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Segment:
    """``n`` items.

    Args:
        domain: theirs.
        vectors: ``[n d]`` float32, of length 1.
        codes: the same in eight bits.
        ids: one each.
        labels: ``[n]`` int32, a place in ``classes`` or -1; none where no item has a label.
        classes: names of the labels.
        metadata: JSON, one each; none where no item has any.
        key: of the file.
    """

    domain: str
    vectors: Tensor
    codes: Codes
    ids: Texts
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    metadata: Texts | None = None
    key: str = field(default_factory=_fresh)

    @classmethod
    def of(
        cls,
        domain: str,
        vectors: Tensor,
        ids: Sequence[str],
        labels: Sequence[str | None],
        metadata: Sequence[str | None],
    ) -> Segment:
        """Items by unit vectors, ids, labels and JSON."""
        classes = sorted({label for label in labels if label is not None})
        places: dict[str | None, int] = {name: i for i, name in enumerate(classes)} | {None: -1}
        return cls(
            domain,
            vectors,
            Codes.of(vectors),
            Texts.of(ids),
            torch.tensor([places[label] for label in labels], dtype=torch.int32)
            if classes
            else None,
            tuple(classes),
            Texts.of([text or "null" for text in metadata]) if any(metadata) else None,
        )

    def __len__(self) -> int:
        return len(self.vectors)

    def label(self, i: int) -> str | None:
        """The class of item i."""
        place = -1 if self.labels is None else int(self.labels[i])
        return self.classes[place] if place >= 0 else None

    def note(self, i: int) -> Any:
        """The metadata of item i."""
        return None if self.metadata is None else json.loads(self.metadata[i])

    def joined(self, other: Segment) -> Segment:
        """The items of both, in one."""
        both = (self, other)
        return Segment.of(
            self.domain,
            torch.cat([part.vectors for part in both]),
            [name for part in both for name in part.ids],
            [part.label(i) for part in both for i in range(len(part))],
            [note for part in both for note in part.metadata or [None] * len(part)],
        )

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds of it."""
        held = {
            "vectors": self.vectors,
            "mean": self.codes.mean,
            "codes": self.codes.values,
            "scale": self.codes.scale,
            "error": self.codes.error,
            "reach": self.codes.reach,
            "ids": self.ids.letters,
            "id_ends": self.ids.ends,
        }
        if self.labels is not None:
            held["labels"] = self.labels
        if self.metadata is not None:
            held |= {"metadata": self.metadata.letters, "metadata_ends": self.metadata.ends}
        return held

    @classmethod
    def from_tensors(
        cls, held: Mapping[str, Tensor], domain: str, classes: Sequence[str], key: str
    ) -> Segment:
        """What ``tensors`` gave.

        Raises:
            DataError: a tensor is missing or does not fit the others.
        """
        try:
            metadata = (
                Texts(held["metadata_ends"], held["metadata"]) if "metadata" in held else None
            )
            segment = cls(
                domain,
                held["vectors"],
                Codes(*(held[name] for name in ("mean", "codes", "scale", "error", "reach"))),
                Texts(held["id_ends"], held["ids"]),
                held.get("labels"),
                tuple(classes),
                metadata,
                key,
            )
            (n, d), codes = segment.vectors.shape, segment.codes
        except KeyError as error:
            raise DataError(f"it lacks {error}") from error
        except ValueError as error:
            raise DataError(f"its vectors are no matrix: {error}") from error
        groups = -(-n // BLOCK)
        fits = (
            n > 0
            and codes.values.shape == (groups * BLOCK, d)
            and codes.mean.shape == (d,)
            and {len(codes.scale), len(codes.error), len(codes.reach)} == {groups}
            and {len(t) for t in (segment.ids, metadata, segment.labels) if t is not None} == {n}
        )
        if not fits:
            raise DataError("its tensors do not fit together")
        return segment


def join_small(parts: list[Segment]) -> None:
    """Let every segment be at most half of the one before: so they are few.

    Each item is written again only as often as its segment doubles.
    """
    while len(parts) > 1 and len(parts[-2]) < 2 * len(parts[-1]):
        if len(parts[-2]) + len(parts[-1]) > MOST:
            break
        parts[-2:] = [parts[-2].joined(parts[-1])]
