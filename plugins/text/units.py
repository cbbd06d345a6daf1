"""Units: what a text is spelt with, and the numbers they have.

0 is padding, 1 the end of a text, 2 a unit that is not known; those of the text begin at 3.
"""

from __future__ import annotations

import base64
import io
from abc import ABC, abstractmethod
from collections.abc import Sequence

from ...core.errors import SettingError

PAD, END, UNKNOWN, FIRST = 0, 1, 2, 3
SPECIAL = ["<pad>", "</s>", "<unk>"]
LOST = "\ufffd"  # what an unknown unit is written as


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
        SettingError: it is damaged, or was not made by ``learn_pieces``.
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
        return str(self.processor.decode(list(ids)))


def learn_pieces(texts: Sequence[str], size: int) -> str:
    """A unigram model of at most ``size`` pieces, in base64; bytes stand for what it lacks.

    Raises:
        SettingError: the texts cannot give a model of that size.
    """
    import sentencepiece

    file = io.BytesIO()
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
        )
    except (RuntimeError, ValueError) as error:
        raise SettingError(
            f"text: no model of {size} pieces from {len(texts)} texts ({error}); ask for another "
            "size or give more texts"
        ) from error
    return base64.b64encode(file.getvalue()).decode("ascii")
