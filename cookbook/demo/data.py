"""The demo's data: handwritten digits, and the same ten words in many voices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from transmodal.cookbook.demo.espeak import Engine, variants
from transmodal.core import Modality, Records
from transmodal.core.config import check_number
from transmodal.core.errors import UnsupportedError
from transmodal.core.seeds import derived_seed
from transmodal.registry import Registry

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PARTS = {"train": 0.7, "validation": 0.15, "test": 0.15}
SIDE = 16  # of a picture, in pixels
SAMPLE_RATE = 8000
SECONDS = 0.75  # of a clip, at most
ACCENTS = ("en", "en-us")
OMITTED = re.compile(  # no human voice, or one that is there already
    r"AnxiousAndy|Demonic|Storm|Tweaky|UniRobot|anikaRobot|robosoft|whisper|croak|fast"
)


@dataclass(frozen=True)
class Amount:
    """How much data to make.

    Args:
        takes: clips of each word by each training voice.
        held_takes: the same for the voices of validation and test.
        people: of all voices together, None for all there are.
        pictures: of all pictures together, None for all there are.
    """

    takes: int = 6
    held_takes: int = 3
    people: int | None = None
    pictures: int | None = None

    def __post_init__(self) -> None:
        check_number("demo", "takes", self.takes, 1, integer=True)
        check_number("demo", "held_takes", self.held_takes, 1, integer=True)
        if self.people is not None:
            check_number("demo", "people", self.people, 3, integer=True)
        if self.pictures is not None:
            check_number("demo", "pictures", self.pictures, 30, integer=True)


def domains(registry: Registry) -> dict[str, Modality]:
    """``digits`` and ``spoken``."""
    return {
        "digits": registry.modality("image")(size=SIDE),
        "spoken": registry.modality("speech")(sample_rate=SAMPLE_RATE, seconds=SECONDS),
    }


def make(seed: int = 0, amount: Amount | None = None) -> Iterator[tuple[str, Records]]:
    """The parts ``train``, ``validation`` and ``test``, one after another.

    Rows hold a picture or a clip, never both, and its class: nothing is paired. No picture and
    no voice is in two parts; voices that are variants of one another stay together.

    Args:
        seed: of the splits, and of the rate, pitch and accent of each clip.
        amount: how much.

    Raises:
        UnsupportedError: a package of the ``demo`` extra is missing.
    """
    amount = amount or Amount()
    drawn = pictures(seed, amount)
    for part, people in voices(seed, amount.people).items():
        values, classes = drawn[part]
        takes = amount.takes if part == "train" else amount.held_takes
        clips, words, speakers = clips_of(people, takes, derived_seed(seed, part))
        yield (
            part,
            Records.from_arrays(
                {"digits": list(values), "spoken": clips},
                labels={"digits": classes, "spoken": words},
                groups={"spoken": speakers},
            ),
        )


def pictures(seed: int, amount: Amount) -> Mapping[str, tuple[Tensor, list[int]]]:
    """Part -> pictures ``[m 1 16 16]``, dark ink on white, and their classes.

    They are the 1,797 digits of 8 x 8 pixels of scikit-learn (UCI, "Optical recognition of
    handwritten digits", its test part), enlarged bilinearly.

    Raises:
        UnsupportedError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UnsupportedError(
            f"handwritten digits need scikit-learn ({error}); pip install 'transmodal[demo]'"
        ) from error
    found = load_digits()
    ink = torch.from_numpy(found.images).float()[:, None] / 16
    paper = 1 - F.interpolate(ink, size=(SIDE, SIDE), mode="bilinear")
    order = _shuffled(len(paper), seed, "pictures")[: amount.pictures]
    return {
        part: (paper[index], found.target[index].tolist())
        for part, index in zip(PARTS, _cut(order), strict=True)
    }


def voices(seed: int, people: int | None = None) -> dict[str, list[str]]:
    """Part -> variants of espeak-ng.

    Args:
        seed: of the split.
        people: how many, variants of one voice (``edward``, ``edward2``) counted once;
            None for all.
    """
    families: dict[str, list[str]] = {}
    for variant in variants():
        if not OMITTED.match(variant):
            numbered = re.fullmatch(r"[fm]\d", variant)
            family = variant if numbered else variant.lower().rstrip("0123456789")
            families.setdefault(family, []).append(variant)
    names = list(families)
    order = _shuffled(len(names), seed, "voices")[:people]
    return {
        part: [variant for i in index for variant in families[names[i]]]
        for part, index in zip(PARTS, _cut(order), strict=True)
    }


def clips_of(
    people: Sequence[str], takes: int, seed: int
) -> tuple[list[Tensor], list[int], list[str]]:
    """Every word ``takes`` times by every voice: waveforms, classes and voices."""
    import librosa

    engine = Engine()
    draw = np.random.default_rng(seed)
    clips, words, speakers = [], [], []
    for person in people:
        for number, word in enumerate(WORDS):
            for _ in range(takes):
                voice = f"{ACCENTS[draw.integers(2)]}+{person}"
                rate, pitch = int(draw.integers(140, 220)), int(draw.integers(20, 80))
                samples = int(SECONDS * SAMPLE_RATE) + 1
                while samples > SECONDS * SAMPLE_RATE:  # a slow voice says it again, faster
                    wave = audible(engine.say(word, voice, rate, pitch))
                    array = librosa.resample(
                        wave.numpy(), orig_sr=engine.sample_rate, target_sr=SAMPLE_RATE
                    )
                    samples, rate = len(array), min(450, rate * 5 // 4)
                clips.append(torch.from_numpy(array / np.abs(array).max()))
                words.append(number)
                speakers.append(person)
    return clips, words, speakers


def audible(wave: Tensor, floor: float = 0.02) -> Tensor:
    """A waveform from the first to the last sample above a share of its peak."""
    loud = (wave.abs() > floor * wave.abs().max()).nonzero()[:, 0]
    return wave[int(loud[0]) : int(loud[-1]) + 1]


def _shuffled(n: int, seed: int, what: str) -> list[int]:
    order = np.random.default_rng(derived_seed(seed, what)).permutation(n)
    return [int(i) for i in order]


def _cut(order: Sequence[int]) -> list[Sequence[int]]:
    """The order in pieces, one for each part; everyone of at least one."""
    held = max(1, round(PARTS["test"] * len(order)))
    return [order[2 * held :], order[:held], order[held : 2 * held]]
