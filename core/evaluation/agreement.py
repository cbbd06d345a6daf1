"""Pixel agreement: are made pictures of two domains what an operator makes of each other?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..config import check_choice, check_number
from ..errors import DataError

THRESHOLD = 0.5  # the paper names none


@dataclass(frozen=True)
class Agreement:
    """How far converted pictures of one domain agree with those made of another.

    Args:
        n: pairs of pictures.
        pixels: in one picture, channels included.
        agreement: share of pixels equal after binarising, the pixel agreement ratio.
        chance: the same between pictures that do not belong together, over all n (n - 1) of
            their pairs. Dark margins alone make this large (.81 on edges of digits).
        blank: what a picture without foreground reaches, against the second domain's.
        corrected: ``(agreement - chance) / (1 - chance)``: 1 is perfect, 0 is chance. It is 0
            where chance is 1, that is, where every picture is the same.
        overlap: intersection over union of the foregrounds, over the pixels of all pairs;
            None where no picture has a foreground.
        difference: mean absolute difference of the pixels, not binarised.
    """

    n: int
    pixels: int
    agreement: float
    chance: float
    blank: float
    corrected: float
    overlap: float | None
    difference: float

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)


def pixel_agreement(
    first: Tensor,
    second: Tensor,
    convert: Callable[[Tensor], Tensor],
    *,
    foreground: Literal["bright", "dark"] = "bright",
    threshold: float = THRESHOLD,
    batch: int = 1000,
) -> Agreement:
    """Convert pictures of the first domain and compare them with those of the second.

    Args:
        first, second: ``[n c h w]`` with pixels in [0, 1], made of the same n draws.
        convert: the operator that made the second domain's training pictures out of the
            first's, ``[b c h w] -> [b c h w]``, such as ``lambda x: 1 - x`` for negatives.
        foreground: which pixels of the second domain ``overlap`` and ``blank`` call foreground:
            ``"dark"`` for negatives of bright digits. Agreement does not depend on it.
        threshold: pixels above it are 1.
        batch: pictures converted at once.

    Raises:
        DataError: fewer than two pairs, sets that do not fit each other, an operator that makes
            other shapes, or pixels that are not finite.
        SettingError: threshold, batch or foreground is out of range.

    Source: Liu & Tuzel 2016, "Coupled generative adversarial networks", sec. 4 (Fig. 3),
    which defines no ratio: this one is ours.
    """
    check_choice("pixel_agreement", "foreground", foreground, ("bright", "dark"))
    check_number("pixel_agreement", "threshold", threshold, 0, 1)
    check_number("pixel_agreement", "batch", batch, 1, integer=True)
    if first.ndim != 4 or second.ndim != 4 or len(first) != len(second) or len(first) < 2:
        raise DataError(
            f"pixel agreement is between two or more pairs of pictures [n c h w], not "
            f"{list(first.shape)} and {list(second.shape)}"
        )
    n, pixels = len(second), second[0].numel()
    equal = both = either = 0
    difference = 0.0
    ones = torch.zeros(2, pixels, dtype=torch.float64)  # pictures with a 1 at each pixel
    for one, other in zip(first.split(batch), second.split(batch), strict=True):
        made = _converted(one, other, convert)
        difference += float((made - other.float().cpu()).abs().sum(dtype=torch.float64))
        x, y = ((values > threshold).flatten(1) for values in (made, other.cpu()))
        equal += int((x == y).sum())
        ones += torch.stack([x.sum(0), y.sum(0)])
        if foreground == "dark":
            x, y = ~x, ~y
        both += int((x & y).sum())
        either += int((x | y).sum())
    p, q = ones
    anyhow = float((p @ q) + (n - p) @ (n - q))  # equal pixels over all n^2 pairs
    chance = (anyhow - equal) / (n * (n - 1) * pixels)
    agreement = equal / (n * pixels)
    bright = float(q.sum()) / (n * pixels)
    return Agreement(
        n=n,
        pixels=pixels,
        agreement=agreement,
        chance=chance,
        blank=bright if foreground == "dark" else 1 - bright,
        corrected=(agreement - chance) / (1 - chance) if chance < 1 else 0.0,
        overlap=both / either if either else None,
        difference=difference / (n * pixels),
    )


def _converted(one: Tensor, other: Tensor, convert: Callable[[Tensor], Tensor]) -> Tensor:
    made = convert(one).detach().float().cpu()
    if made.shape != other.shape:
        raise DataError(
            f"the operator made {list(made.shape)} of {list(one.shape)}, to be compared with "
            f"{list(other.shape)}; it must make pictures of the second domain"
        )
    if not bool(made.isfinite().all() & other.isfinite().all()):
        raise DataError("pictures to be compared hold pixels that are not finite")
    return made
