"""Units: what a text is spelt with, and the numbers they have.

0 is padding, 1 the end of a text, 2 a unit that is not known; those of the text begin at 3.
"""

from __future__ import annotations

import base64
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.errors import DataError, SettingError

PAD, END, UNKNOWN, FIRST = 0, 1, 2, 3
SPECIAL = ["<pad>", "</s>", "<unk>"]
LOST = "\ufffd"  # what an unknown unit is written as
SPACE = "\u2581"  # sentencepiece's mark of a space
LEARNED = {"character": "alphabet", "piece": "model"}  # kind of units -> what it needs


class Units(ABC):
    """Texts as lists of numbers, without padding and end, and the way back."""

    size: int  # v, the special ones among them

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """A text without lone surrogates as numbers, UNKNOWN where it has to be."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Numbers from UNKNOWN up as a text, whatever they are."""


class Bytes(Units):
    """The bytes of UTF-8: any script, no learning."""

    size = FIRST + 256

    def encode(self, text: str) -> list[int]:
        return [FIRST + byte for byte in text.encode("utf-8")]

    def decode(self, ids: Sequence[int]) -> str:
        # 0xff is in no UTF-8, so it is read as a lost character
        return bytes(i - FIRST if i >= FIRST else 0xFF for i in ids).decode("utf-8", "replace")


class Characters(Units):
    """The characters of an alphabet.

    Args:
        alphabet: each of them once.

    Raises:
        SettingError: one is there twice.
    """

    def __init__(self, alphabet: str) -> None:
        for character in alphabet:
            if alphabet.count(character) > 1:
                raise SettingError(f"text: the alphabet has {character!r} twice; give it once")
        self.alphabet = alphabet
        self.size = FIRST + len(alphabet)
        self.places = {character: FIRST + i for i, character in enumerate(alphabet)}

    def encode(self, text: str) -> list[int]:
        return [self.places.get(character, UNKNOWN) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(LOST if i < FIRST else self.alphabet[i - FIRST] for i in ids)


class Pieces(Units):
    """The pieces of a sentencepiece model (Kudo & Richardson 2018).

    Args:
        model: the model's file, in base64.

    Raises:
        SettingError: it is damaged, or was not made by ``learning``.
    """

    def __init__(self, model: str) -> None:
        import sentencepiece

        try:
            proto = base64.b64decode(model, validate=True)
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
            special = [self.processor.id_to_piece(i) for i in range(FIRST)]
        except (ValueError, RuntimeError, IndexError) as error:
            raise SettingError(
                f"text: the model of pieces is damaged ({error}); learn it anew by Text.learned"
            ) from error
        if special != SPECIAL:
            raise SettingError(
                f"text: the model of pieces begins with {special}, not {SPECIAL}; learn it by "
                "Text.learned"
            )
        self.size = len(self.processor)

    def encode(self, text: str) -> list[int]:
        return list(self.processor.encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        text = str(self.processor.decode(list(ids)))
        # a model of texts without spaces has no piece for one, and spells its mark byte by byte
        return text.replace(SPACE, " ")


def spelling(kind: str, alphabet: str, model: str) -> Units:
    """The units of a kind, "byte", "character" (of an alphabet) or "piece" (of a model).

    Raises:
        SettingError: the alphabet or the model is missing, damaged, or of no use to that kind.
    """
    given = {"alphabet": alphabet, "model": model}
    check_of_use(kind, given)
    if kind in LEARNED and not given[LEARNED[kind]]:
        raise SettingError(
            f"text: a {kind} for a unit needs its {LEARNED[kind]}; make it of texts by "
            f"Text.learned(texts, unit={kind!r})"
        )
    if kind == "piece":
        return Pieces(model)
    return Characters(alphabet) if kind == "character" else Bytes()


def check_of_use(kind: str, settings: Mapping[str, Any]) -> None:
    """Refuse an alphabet of what are no characters, and a model of what are no pieces.

    Raises:
        SettingError: one of them is given to another kind of units, or is no string.
    """
    for of, name in LEARNED.items():
        given = settings.get(name, "")
        if not isinstance(given, str):
            raise SettingError(f"text: {name} must be a string, not {type(given).__name__}")
        if given and kind != of:
            raise SettingError(
                f"text: {name} is for units that are a {of}, not {kind!r}; leave it out, or set "
                f"unit={of!r}"
            )


def normal(item: Any, i: int) -> str:
    """One item as a string in form NFC.

    Raises:
        DataError: it is no string, or has a lone surrogate.
    """
    if not isinstance(item, str):
        raise DataError(f"text: item {i} is {type(item).__name__}, not a string")
    try:
        item.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"text: item {i} has a lone surrogate at character {error.start}; read its file as "
            "UTF-8, or leave it out"
        ) from None
    return unicodedata.normalize("NFC", item)
