"""How far made texts are from real ones: error rates in [0, inf), scores in 0..100."""

from __future__ import annotations

import math
from collections.abc import Sequence


def cer(made: Sequence[str], real: Sequence[str]) -> float:
    """Characters to insert, delete or replace, over the characters of the real texts (jiwer).

    Real texts that are empty are left out; NaN where all are.
    """
    import jiwer

    pairs = _pairs(made, real)
    return float(jiwer.cer([r for _, r in pairs], [m for m, _ in pairs])) if pairs else math.nan


def wer(made: Sequence[str], real: Sequence[str]) -> float:
    """The same of words between spaces (jiwer)."""
    import jiwer

    pairs = _pairs(made, real)
    return float(jiwer.wer([r for _, r in pairs], [m for m, _ in pairs])) if pairs else math.nan


def bleu(made: Sequence[str], real: Sequence[str]) -> float:
    """BLEU of the corpus, 0..100, as sacrebleu computes it by default (Post 2018)."""
    import sacrebleu

    return float(sacrebleu.corpus_bleu(list(made), [list(real)]).score)


def chrf(made: Sequence[str], real: Sequence[str]) -> float:
    """chrF2 of the corpus, 0..100, as sacrebleu computes it by default (Popovic 2015)."""
    import sacrebleu

    return float(sacrebleu.corpus_chrf(list(made), [list(real)]).score)


def _pairs(made: Sequence[str], real: Sequence[str]) -> list[tuple[str, str]]:
    return [(m, r) for m, r in zip(made, real, strict=True) if r.strip()]
