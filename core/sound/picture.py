"""A spectrogram as a picture one can look at."""

from __future__ import annotations

import torch
from torch import Tensor

# black, violet, red, orange, pale yellow: rising lightness, so that it also reads in grey
COLOURS = (
    (0.00, 0.00, 0.02),
    (0.25, 0.04, 0.40),
    (0.58, 0.15, 0.40),
    (0.87, 0.32, 0.23),
    (0.99, 0.65, 0.04),
    (0.99, 1.00, 0.64),
)


def spectrogram_picture(values: Tensor) -> Tensor:
    """Normalised log-mel ``[t f]`` -> ``[3 f t]`` in [0, 1], low pitch at the bottom.

    Colours between six anchors of a perceptual scale, 0 (silence) to 1 (the loudest). It shows
    any numbers in [0, 1] over time: of an alignment ``[s n]`` the steps to the right, the first
    token at the bottom.
    """
    anchors = torch.tensor(COLOURS)
    level = values.detach().float().cpu().clamp(0, 1).T.flip(0) * (len(COLOURS) - 1)
    low = level.floor().long().clamp(max=len(COLOURS) - 2)
    share = (level - low)[..., None]
    return (anchors[low] * (1 - share) + anchors[low + 1] * share).permute(2, 0, 1)
