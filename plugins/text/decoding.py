"""Decoding: how a text is written, chosen each time one is."""

from __future__ import annotations

from typing import Protocol

from ...core.config import check_number

COLDEST = 1e-6  # temperature


class Decoding(Protocol):
    """Settings of ``Text`` that its generators read anew whenever they write in eval mode.

    So ``translator.domains["french"].beams = 8`` holds from the next translation on, whether
    the translator was trained here or loaded. Greedy is one beam; with ``sampling`` above 0
    units are drawn, by torch's global generator (``torch.manual_seed`` makes draws come again).
    """

    longest: int
    shortest: int
    beams: int
    penalty: float
    sampling: float


def check_decoding(how: Decoding) -> None:
    """Refuse what no text can be written by.

    Raises:
        SettingError: naming the setting.
    """
    check_number("text", "longest", how.longest, 1, 100_000, integer=True)
    check_number("text", "shortest", how.shortest, 0, how.longest, integer=True)
    check_number("text", "beams", how.beams, 1, 1000, integer=True)
    check_number("text", "penalty", how.penalty, 0, 2)
    check_number("text", "sampling", how.sampling, 0, 100)
    if how.sampling:
        check_number("text", "sampling above 0", how.sampling, COLDEST)
