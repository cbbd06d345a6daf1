"""Learning of units: an alphabet, or a model of pieces, of texts."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ...core.config import check_choice, check_number
from ...core.errors import DataError, SettingError
from .files import read_text
from .units import END, FIRST, LEARNED, LOST, PAD, SPECIAL, UNKNOWN, normal

SIZE = 4000  # units, where nothing is said
LONG = 4192  # bytes; what is longer, sentencepiece leaves out unless it is told


def check_learned(unit: object, size: int) -> None:
    """Refuse units that cannot be learned.

    Raises:
        SettingError: another kind of units, or no size.
    """
    check_choice("text", "unit", unit, tuple(LEARNED))
    check_number("text", "size", size, FIRST + 1, 1_000_000, integer=True)


def learn(texts: Iterable[Any], unit: str, size: int) -> dict[str, Any]:
    """The setting that tells the units, by its name; ``Text.learned`` says how.

    Raises:
        DataError: a text is none, or there is nothing to learn from.
        MediaError: a file cannot be read.
        SettingError: so few texts cannot give so many pieces.
    """
    strings = (read_text(text) if isinstance(text, Path) else text for text in texts)
    good = [normal(text, i) for i, text in enumerate(strings)]
    if not any(good):
        raise DataError("text: no texts to learn units from; give some that are not empty")
    made = learn_pieces(good, size) if unit == "piece" else learn_alphabet(good, size - FIRST)
    return {LEARNED[unit]: made}


def learn_alphabet(texts: Sequence[str], size: int) -> str:
    """The ``size`` most frequent characters at most, in order."""
    counts: dict[str, int] = {}
    for text in texts:
        for character in text:
            counts[character] = counts.get(character, 0) + 1
    kept = sorted(counts, key=lambda c: (-counts[c], c))[:size]
    return "".join(sorted(kept))


def learn_pieces(texts: Sequence[str], size: int) -> str:
    """A unigram model of at most ``size`` pieces, in base64; bytes stand for what it lacks.

    Raises:
        SettingError: the texts cannot give a model of that size.
    """
    import sentencepiece

    file = io.BytesIO()
    longest = max(len(text.encode("utf-8")) for text in texts)
    # the model's file says it, so it is told only where it has to be
    room: dict[str, Any] = {"max_sentence_length": longest} if longest > LONG else {}
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=file,
            vocab_size=size,
            hard_vocab_limit=False,
            model_type="unigram",
            character_coverage=1.0,
            byte_fallback=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            pad_id=PAD,
            eos_id=END,
            unk_id=UNKNOWN,
            bos_id=-1,
            pad_piece=SPECIAL[PAD],
            eos_piece=SPECIAL[END],
            unk_piece=SPECIAL[UNKNOWN],
            unk_surface=LOST,
            num_threads=1,
            minloglevel=2,
            **room,
        )
    except (RuntimeError, ValueError) as error:
        raise SettingError(
            f"text: no model of {size} pieces from {len(texts)} texts ({error}); ask for another "
            "size or give more texts"
        ) from error
    return base64.b64encode(file.getvalue()).decode("ascii")
