import math

import pytest

from transmodal.core.errors import SettingError
from transmodal.core.health import READINGS, Health, advise

WELL = {
    "discriminator/right/digits": 0.7,
    "discriminator/diversity/digits": 0.95,
    "synchronizer/right": 0.9,
    "generator/made": 0.8,
    "generator/adversarial": 3.0,
}


def with_(**changes: float) -> dict[str, float]:
    names = {
        "right": "discriminator/right/digits",
        "diversity": "discriminator/diversity/digits",
        "known": "synchronizer/right",
        "made": "generator/made",
    }
    return WELL | {names[key]: value for key, value in changes.items()}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"right": 0.99}, "D wins in 'digits': it is right on 99 % of real and made items"),
        ({"right": 0.5}, "D cannot tell in 'digits': it is right on 50 % of real and made"),
        (
            {"diversity": 0.2},
            "modes collapsing in 'digits': samples differ 0.20 times as much as real items",
        ),
        (
            {"made": 0.1},
            "G does not follow the synchronizer: pairs made of one z get a probability of 0.10",
        ),
        ({"known": 0.51}, "the synchronizer learns nothing: it is right on 51 % of real pairs"),
    ],
)
def test_each_sign_is_said_alone(changes: dict[str, float], words: str) -> None:
    [said] = advise(with_(**changes))
    assert said.startswith(words)
    assert ";" in said  # what to do comes after what was found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"right": 0.95},
        {"right": 0.53},
        {"diversity": 0.61},  # one class of MNIST or Fashion-MNIST at its plainest
        {"made": 0.26},
        {"right": math.nan, "diversity": math.nan, "known": math.nan, "made": math.nan},
    ],
)
def test_a_sound_training_is_left_in_peace(changes: dict[str, float]) -> None:
    assert advise(with_(**changes)) == []


def test_domains_are_told_apart_and_other_losses_left_alone() -> None:
    notes = {"discriminator/right/a-1": 0.99, "discriminator/right/b": 0.7, "x/right/c": 1.0}
    assert [s.split(":")[0] for s in advise(notes | {"discriminator/diversity/b": 0.1})] == [
        "D wins in 'a-1'",
        "modes collapsing in 'b'",
    ]
    assert advise({}) == advise({"generator/made/x": 0.0}) == []


def test_a_thing_is_said_once_after_several_readings() -> None:
    health = Health()
    ill = with_(right=0.99)
    said = [health.read(ill) for _ in range(READINGS + 20)]
    assert [len(words) for words in said] == [0] * (READINGS - 1) + [1] + [0] * 20
    assert said[READINGS - 1] == advise(ill)


def test_one_good_reading_begins_the_count_anew() -> None:
    health = Health(readings=3)
    ill = with_(right=0.99)
    assert [len(health.read(notes)) for notes in (ill, ill, WELL, ill, ill, ill)] == [0] * 5 + [1]


def test_it_is_said_again_only_after_it_was_over_for_as_long() -> None:
    health = Health(readings=2)
    ill = with_(right=0.99)
    flicker = [ill, ill, WELL, ill, ill, ill]
    assert [len(health.read(notes)) for notes in flicker] == [0, 1, 0, 0, 0, 0]
    over = [WELL, WELL, ill, ill]
    assert [len(health.read(notes)) for notes in over] == [0, 0, 0, 1]


def test_a_change_is_news_and_two_things_are_counted_apart() -> None:
    health = Health(readings=2)
    first, both = with_(right=0.99), with_(right=0.99, diversity=0.1)
    said = [health.read(notes) for notes in (first, both, both)]
    assert [[words.split(" in ")[0] for words in reading] for reading in said] == [
        [],
        ["D wins"],
        ["modes collapsing"],
    ]
    said = [health.read(with_(right=0.5)) for _ in range(2)]
    assert said[0] == [] and said[1][0].startswith("D cannot tell")


def test_a_reading_without_the_note_neither_begins_nor_ends_anything() -> None:
    health = Health(readings=2)
    ill = with_(diversity=0.1)
    gaps = [ill, {}, with_(diversity=math.nan), ill, {}, {}, ill]
    assert [len(health.read(notes)) for notes in gaps] == [0, 0, 0, 1, 0, 0, 0]


def test_readings_are_checked() -> None:
    with pytest.raises(SettingError, match="Health: readings must be a whole number >= 1, not 0"):
        Health(0)
