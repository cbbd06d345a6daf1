"""The demo's digits and voices."""

from __future__ import annotations

import re
import sys
from collections import Counter
from itertools import combinations

import pytest
import torch

from transmodal.cookbook.demo.data import (
    PARTS,
    SAMPLE_RATE,
    SECONDS,
    Amount,
    domains,
    make,
    pictures,
    voices,
)
from transmodal.core import Records
from transmodal.core.errors import SettingError, UnsupportedError
from transmodal.registry import Registry

for package in ("espeakng_loader", "sklearn"):
    pytest.importorskip(package, reason=f"{package} is missing: pip install 'transmodal[demo]'")

SMALL = Amount(takes=2, held_takes=1, people=6, pictures=100)


@pytest.fixture(scope="module")
def parts() -> dict[str, Records]:
    return dict(make(0, SMALL))


def test_rows_hold_a_picture_or_a_clip_and_a_class(parts):
    assert list(parts) == list(PARTS)
    for records in parts.values():
        digits, spoken = (records.columns[name] for name in ("digits", "spoken"))
        assert not set(digits.rows.tolist()) & set(spoken.rows.tolist())
        assert len(digits.rows) + len(spoken.rows) == len(records)
        assert records.classes() == tuple("0123456789")
        assert None not in records.labels


def test_every_voice_says_every_word_as_often_as_asked(parts):
    for part, records in parts.items():
        rows = records.columns["spoken"].rows.tolist()
        said = Counter((records.groups[row], records.labels[row]) for row in rows)
        takes = SMALL.takes if part == "train" else SMALL.held_takes
        assert set(said.values()) == {takes}
        assert len(said) == 10 * len({voice for voice, _ in said})


def test_no_voice_and_no_picture_is_in_two_parts(parts):
    speakers = [set(records.groups) - {None} for records in parts.values()]
    drawn = [
        {picture.numpy().tobytes() for picture in records.columns["digits"].items}
        for records in parts.values()
    ]
    for what in (speakers, drawn):
        assert all(what)
        assert not any(one & other for one, other in combinations(what, 2))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_voices_are_split_by_person(seed):
    found = voices(seed)
    everyone = [variant for part in found.values() for variant in part]
    assert len(everyone) == len(set(everyone)) > 70
    for name in ("edward", "klatt", "steph", "iven"):
        homes = [part for part in found for variant in found[part] if variant.startswith(name)]
        assert len(homes) > 1 and len(set(homes)) == 1
    assert not any(re.search("robo|whisper|Demonic", variant) for variant in everyone)
    assert min(len(part) for part in found.values()) >= 8


def test_pictures_are_those_of_scikit_learn_in_dark_ink():
    from sklearn.datasets import load_digits

    found = load_digits()
    drawn = pictures(0, Amount())
    assert sum(len(values) for values, _ in drawn.values()) == len(found.images) == 1797
    assert Counter(c for _, classes in drawn.values() for c in classes) == Counter(found.target)
    values, classes = drawn["test"]
    assert values.shape[1:] == (1, 16, 16) and 0 <= values.min() < 0.1 and values.max() == 1
    # each one is 8 x 8 pixels of its class, enlarged: the mean over 2 x 2 keeps the ink
    ink = {c: found.images[found.target == c].sum((1, 2)) / 16 for c in range(10)}
    for value, c in zip(values[:20], classes, strict=False):
        assert abs(ink[c] - (1 - value).sum().item() / 4).min() < 1.5


def test_clips_are_waveforms_that_fit_the_window(parts):
    clips = parts["train"].columns["spoken"].items
    assert all(clip.ndim == 1 and clip.abs().max() == 1 for clip in clips)
    assert all(0.1 * SAMPLE_RATE < len(clip) <= SECONDS * SAMPLE_RATE for clip in clips)


@pytest.mark.filterwarnings("error")
def test_the_modalities_take_all_of_it(parts):
    table = parts["test"].table(domains(Registry.load()))
    assert table.column("digits").take(torch.arange(3)).values.shape == (3, 1, 16, 16)
    assert table.column("spoken").take(torch.arange(3)).values.shape[2] == 40


def test_a_seed_makes_the_same_again_and_another_one_something_else(parts):
    again, other = dict(make(0, SMALL)), dict(make(1, SMALL))
    for part in PARTS:
        for domain in ("digits", "spoken"):
            mine, same = (which[part].columns[domain].items for which in (parts, again))
            assert all(torch.equal(a, b) for a, b in zip(mine, same, strict=True))
        assert parts[part].labels == again[part].labels
    assert other["test"].groups != parts["test"].groups


@pytest.mark.parametrize("setting", ["takes", "held_takes", "people", "pictures"])
def test_amounts_out_of_range(setting):
    with pytest.raises(SettingError, match=setting):
        Amount(**{setting: 0})


def test_a_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UnsupportedError, match=re.escape("pip install 'transmodal[demo]'")):
        next(make(0, SMALL))
