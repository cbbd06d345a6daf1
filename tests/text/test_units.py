"""Units: round trips of any text, learned models, and what is wrong with them."""

from __future__ import annotations

import base64
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transmodal.core.errors import DataError, SettingError
from transmodal.plugins.text.modality import Text

SENTENCES = [
    "the cat sat on the mat",
    "a dog ran after the cat",
    "Straße, naïve café",
    "the  mat   was  red ",
]
BYTES = Text()
PIECES = Text.learned(SENTENCES, size=320)
CHARACTERS = Text.learned(SENTENCES, unit="character", size=1000)
# a text may hold any code point but surrogates
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_bytes_and_pieces_give_any_text_back(text: str) -> None:
    wanted = unicodedata.normalize("NFC", text)
    assert BYTES.split(BYTES.collate([text])) == [wanted]
    if "\u2581" not in wanted:  # sentencepiece's own mark of a space
        assert PIECES.split(PIECES.collate([text])) == [wanted]


@settings(max_examples=40, deadline=None)
@given(st.text(st.sampled_from(CHARACTERS.alphabet), max_size=40))
def test_characters_of_the_alphabet_come_back(text: str) -> None:
    wanted = unicodedata.normalize("NFC", text)
    signal = CHARACTERS.collate([text])
    assert CHARACTERS.split(signal) == [wanted]
    assert signal.lengths.tolist() == [len(wanted) + 1]


@pytest.mark.parametrize("seen", [["猫坐在垫子上", "狗跑了"], ["แมวนั่งบนเสื่อ", "หมาวิ่ง"], ["a", "b"]])
def test_pieces_of_texts_without_spaces_give_spaces_back(seen: list[str]) -> None:
    text = Text.learned(seen, size=300)
    for wanted in ("the cat sat", " ", "  on a mat "):
        assert text.split(text.collate([wanted])) == [wanted]


def test_what_an_alphabet_lacks_is_one_unknown_unit_each() -> None:
    signal = CHARACTERS.collate(["cat 猫!"])
    assert signal.values[0].tolist().count(2) == 2
    assert CHARACTERS.split(signal) == ["cat \ufffd\ufffd"]
    assert BYTES.split(BYTES.collate(["cat"])[:1]) == ["cat"]


def test_units_begin_at_three_and_end_with_one() -> None:
    signal = BYTES.collate(["ab", "", "\x00\xff"])
    assert signal.lengths.tolist() == [3, 1, 4]
    assert signal.values.tolist() == [
        [3 + 97, 3 + 98, 1, 0],
        [1, 0, 0, 0],
        [3, 3 + 0xC3, 3 + 0xBF, 1],
    ]
    assert BYTES.vocabulary == 259


def test_bytes_that_are_no_utf_8_are_lost_characters() -> None:
    signal = BYTES.collate(["é"])
    signal.values[0, 1] = 2
    assert BYTES.split(signal) == ["\ufffd\ufffd"]


def test_two_forms_of_a_letter_are_one() -> None:
    assert BYTES.collate(["e\u0301"]).values.tolist() == BYTES.collate(["é"]).values.tolist()


def test_learned_units_live_in_the_settings() -> None:
    for text in (PIECES, CHARACTERS):
        twin = Text(**json.loads(json.dumps(text.settings())))
        for sentence in SENTENCES:
            one, other = text.collate([sentence]), twin.collate([sentence])
            assert one.values.tolist() == other.values.tolist()
        assert twin.vocabulary == text.vocabulary


def test_pieces_are_fewer_than_characters_and_no_more_than_asked() -> None:
    assert PIECES.vocabulary <= 320
    pieces, characters = (text.collate(["the cat sat"]).lengths[0] for text in (PIECES, CHARACTERS))
    assert pieces < characters


def test_long_texts_are_learned_from() -> None:
    """5,000 characters, 15,000 bytes, where sentencepiece's own limit is 4,192."""
    long = "".join(chr(0x4E00 + i * i % 97) for i in range(5000))
    for texts in ([long], [*SENTENCES, long], [long[::-1] + "é", long]):
        text = Text.learned(texts, size=500, longest=5000)
        signal = text.collate([texts[-1]])
        assert text.split(signal) == [texts[-1]]
        assert signal.lengths[0] < 5000  # pieces it has seen, not the bytes of what it has not
        assert not (signal.values == 2).any()


def test_models_of_texts_within_the_limit_are_told_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is written into a model, whose bytes are to stay what they were."""
    from sentencepiece import SentencePieceTrainer

    train, told = SentencePieceTrainer.train, []

    def watched(**settings: Any) -> None:
        told.append(settings.get("max_sentence_length"))
        train(**settings)

    monkeypatch.setattr(SentencePieceTrainer, "train", watched)
    for n in (4192, 4193):
        Text.learned([*SENTENCES, "ab " * (n // 3) + "c" * (n % 3)], size=320)
    assert told == [None, 4193]


def test_texts_may_be_paths_of_their_files(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.txt" for i in range(len(SENTENCES))]
    for file, sentence in zip(files, SENTENCES, strict=True):
        CHARACTERS.write(sentence, file)
    again = Text.learned(files, unit="character", size=1000)
    assert again.settings() == CHARACTERS.settings()


@pytest.mark.parametrize(
    "known",
    [{}, {"unit": "byte"}, {"unit": "character", "alphabet": "ab"}, {"unit": ["piece"]},
     {"unit": "piece", "model": PIECES.model}],
)  # fmt: skip
def test_recipes_learn_only_what_is_not_known(known: dict[str, Any]) -> None:
    assert Text.learner(known) is None
    for unit, twin in (("piece", PIECES), ("character", CHARACTERS)):
        learner = Text.learner({"unit": unit, "size": 320, "alphabet": "", "model": "", "beams": 2})
        assert learner is not None
        made = learner(SENTENCES)
        assert (made.alphabet, made.model, made.beams) == (twin.alphabet, twin.model, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 3}, "size must be a whole number >= 4"),
        ({"beams": 0}, "beams must be a whole number >= 1"),
        ({"depth": 3}, "text: Text has no setting 'depth'"),
        ({"alphabet": "abc"}, "not 'piece'; leave it out, or set unit='character'"),
    ],
)
def test_recipes_are_told_what_is_wrong_before_texts_are_read(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        Text.learner({"unit": "piece", **settings})


def test_an_unknown_piece_is_a_lost_character() -> None:
    signal = PIECES.collate(["cat"])
    signal.values[0, 0] = 2
    assert "\ufffd" in PIECES.split(signal)[0]


def test_the_most_frequent_characters_are_kept() -> None:
    assert Text.learned(["aaabbc"], unit="character", size=5).alphabet == "ab"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unit": "word"}, "unit must be one of 'byte', 'character', 'piece', not 'word'"),
        (
            {"unit": "piece"},
            r"a piece for a unit needs its model; make it .* Text\.learned",
        ),
        ({"unit": "character"}, "a character for a unit needs its alphabet"),
        ({"unit": "character", "alphabet": 3}, "alphabet must be a string, not int"),
        ({"alphabet": "ab"}, "alphabet is for units that are a character, not 'byte'"),
        ({"unit": "character", "alphabet": "aba"}, "the alphabet has .a. twice"),
        ({"model": "ab"}, "model is for units that are a piece, not 'byte'"),
        ({"unit": "piece", "model": "no base64!"}, "the model of pieces is damaged"),
        ({"unit": "piece", "model": "AAAA"}, "the model of pieces is damaged"),
        ({"unit": "piece", "model": PIECES.model[:4000]}, "the model of pieces is damaged"),
    ],
)
def test_units_that_cannot_be_used_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Text(**settings)  # type: ignore[arg-type]


def test_a_model_of_other_special_units_is_refused() -> None:
    import io

    import sentencepiece

    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=file, vocab_size=30, minloglevel=2
    )
    model = base64.b64encode(file.getvalue()).decode()
    with pytest.raises(SettingError, match=r"begins with \['<unk>', '<s>', '</s>'\], not"):
        Text(unit="piece", model=model)


def test_nothing_to_learn_from_is_refused() -> None:
    for texts in ([], ["", ""]):
        with pytest.raises(DataError, match="no texts to learn units from"):
            Text.learned(texts)
    with pytest.raises(DataError, match="item 1 is int, not a string"):
        Text.learned(["a", 1])  # type: ignore[list-item]
    with pytest.raises(SettingError, match="no model of 5 pieces from 4 texts"):
        Text.learned(SENTENCES, size=5)
    with pytest.raises(SettingError, match="unit must be one of 'character', 'piece', not 'byte'"):
        Text.learned(SENTENCES, unit="byte")
    with pytest.raises(SettingError, match="size must be a whole number >= 4"):
        Text.learned(SENTENCES, size=3)
