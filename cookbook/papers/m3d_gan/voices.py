"""What is said and how it sounds: sentences by espeak in four styles, and English prompts.

The espeak corpus is made once and kept in the work folder; the prompts are Allison Smith's
(asterisk5). Texts are lower case letters, apostrophes and blanks.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from transmodal.cookbook.demo.espeak import Engine
from transmodal.cookbook.files import read_json, read_tensors
from transmodal.cookbook.papers.latent_transfer.sets import root
from transmodal.cookbook.papers.m3d_gan.whisper import ONES
from transmodal.core.atomic import write_atomically
from transmodal.core.errors import DataError
from transmodal.core.sound.files import read_sound, resample


@dataclass(frozen=True)
class Style:
    """How espeak speaks: a voice, words a minute, pitch and its range, 0 to 99."""

    voice: str
    rate: int
    pitch: int
    melody: int


STYLES = {
    "plain": Style("en-us", 150, 45, 50),
    "woman": Style("en-us+f2", 150, 55, 50),
    "deep": Style("en-us+m3", 125, 15, 20),
    "hasty": Style("en-us+m1", 180, 60, 80),
}
SENTENCE = re.compile(r"[A-Za-z][A-Za-z' ,]*[.?!]")
PARTS = ("train", "validation", "test")
HELD = 10  # of 10 texts, one is for validation and one for testing


@dataclass(frozen=True)
class Spoken:
    """Texts and their recordings.

    Args:
        texts: n, lower case letters, apostrophes and blanks.
        waves: n waveforms ``[t]`` in [-1, 1].
        styles: ``[n]`` indices of ``STYLES``; -1 for people.
        rate: of the waveforms, in hertz.
    """

    texts: Sequence[str]
    waves: Sequence[Tensor]
    styles: Tensor
    rate: int

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: Iterable[int]) -> Spoken:
        """Those at these places, in that order."""
        chosen = list(index)
        return Spoken(
            [self.texts[i] for i in chosen],
            [self.waves[i] for i in chosen],
            self.styles[torch.tensor(chosen, dtype=torch.long)],
            self.rate,
        )


def joined(first: Spoken, second: Spoken) -> Spoken:
    """Both, one after the other, of the same rate."""
    return Spoken(
        [*first.texts, *second.texts],
        [*first.waves, *second.waves],
        torch.cat([first.styles, second.styles]),
        first.rate,
    )


def letters(text: str) -> str:
    """A text as it is learned: digits that stand alone spelled, notes in brackets left out.

    >>> letters("Press 1, then \"don't\" [note].")
    "press one then don't"
    """
    text = re.sub(r"\[.*?\]|\(.*?\)", " ", text.lower())
    text = re.sub(r"(?<!\d)\d(?!\d)", lambda digit: f" {ONES[int(digit[0])]} ", text)
    return " ".join(re.sub(r"[^a-z']", " ", text).split())


def part(text: str) -> str:
    """The part of the split a text belongs to, by its sum: a text is never in two of them."""
    place = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % HELD
    return {0: "test", 1: "validation"}.get(place, "train")


def sentences(which: str, count: int) -> list[str]:
    """The first ``count`` short English sentences of tatoeba in a part.

    They have three words or more and 28 characters at most.

    Raises:
        DataError: the data are not there, or hold fewer.
    """
    data = root()
    found = [text for text in fitting(data) if part(text) == which]
    if len(found) < count:
        raise DataError(f"{data} has {len(found)} sentences for {which}, not {count}")
    # the order of their sums is the same everywhere and says nothing
    return sorted(found, key=lambda text: hashlib.sha256(text.encode()).hexdigest())[:count]


@cache
def fitting(data: Path) -> frozenset[str]:
    """The sentences of all parts, from the data in that folder; read once.

    Raises:
        DataError: they are not there.
    """
    path = data / "tatoeba_en_fr" / "eng-fra.tsv.gz"
    if not path.is_file():
        raise DataError(f"no such data set: {path}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        said = {line.split("\t")[0] for line in file}
    fit = {letters(text) for text in said if SENTENCE.fullmatch(text)}
    return frozenset(text for text in fit if 3 <= len(text.split()) <= 8 and len(text) <= 28)


def voices(folder: Path, which: str, count: int, rate: int = 16000) -> Spoken:
    """``count`` sentences spoken by espeak, made now or taken from the folder.

    In training each sentence is said in one style, in turns; in the other parts in every style,
    one style after the other.

    Args:
        folder: keeps ``espeak-<which>-<count>.safetensors`` and ``.json``.
        which: "train", "validation" or "test".
        count: of sentences.
        rate: in hertz.

    Raises:
        DataError: no such part, or not as many sentences.
        CheckpointError: what is in the folder is damaged.
        UnsupportedError: espeakng-loader is not installed.
    """
    if which not in PARTS:
        raise DataError(f"voices have no part {which!r}; they have {', '.join(PARTS)}")
    texts = sentences(which, count)
    n = len(STYLES)
    styles = [i % n if which == "train" else i // count for i in range(count * n)]
    if which == "train":
        styles = styles[:count]
    texts = [texts[i % count] for i in range(len(styles))]
    path = folder / f"espeak-{which}-{count}-{rate}.safetensors"
    asked = {"texts": texts, "styles": [repr(style) for style in STYLES.values()]}
    note = path.with_suffix(".json")
    if not (path.is_file() and note.is_file() and read_json(note) == asked):
        waves = _spoken(texts, styles, rate)
        lengths = torch.tensor([len(wave) for wave in waves])
        write_atomically(path, save({"samples": torch.cat(waves), "lengths": lengths}))
        write_atomically(note, json.dumps(asked).encode())
    kept = read_tensors(path)
    parts = kept["samples"].split(kept["lengths"].tolist())
    return Spoken(texts, [x.float() / 32768 for x in parts], torch.tensor(styles), rate)


def _spoken(texts: Sequence[str], styles: Sequence[int], rate: int) -> list[Tensor]:
    """Waveforms of int16."""
    engine, kinds = Engine(), list(STYLES.values())
    waves = []
    for text, i in zip(texts, styles, strict=True):
        style = kinds[i]
        wave = engine.say(text, style.voice, style.rate, style.pitch, style.melody)
        wave = resample(wave, engine.sample_rate, rate)
        waves.append((wave * 32767).round().clamp(-32768, 32767).to(torch.int16))
    return waves


def prompts(which: str, rate: int = 8000, longest: float = 6.0) -> Spoken:
    """English telephone prompts of one speaker, of ``longest`` seconds at most.

    The split is by text, so that one said twice, under two keys, is on one side of it. Of the
    training part, recordings are left out that are too short or too long for their text by
    ``plausible`` or whose text has numbers of several digits; the others stay as they are.

    Args:
        which: "train", "validation" or "test".
        rate: in hertz; they were taken at 8,000.
        longest: seconds; longer ones are left out of every part.

    Raises:
        DataError: the data are not there, or no such part.
    """
    if which not in PARTS:
        raise DataError(f"prompts have no part {which!r}; they have {', '.join(PARTS)}")
    folder = root() / "asterisk5"
    table = folder / "meta.tsv"
    if not table.is_file():
        raise DataError(f"no such data set: {table}")
    texts, waves = [], []
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            text, seconds = letters(row["transcript"]), float(row["seconds"])
            if row["lang"] != "en" or not text or seconds > longest or part(text) != which:
                continue
            if which == "train" and not (
                plausible(text, seconds) and not re.search(r"\d\d", row["transcript"])
            ):
                continue
            texts.append(text)
            waves.append(read_sound(folder / row["file"], rate))
    return Spoken(texts, waves, torch.full((len(texts),), -1), rate)


def plausible(text: str, seconds: float) -> bool:
    """Whether a recording may be that of its text: .04 to .13 s a letter, and up to .9 s more."""
    return 0.04 * len(text) <= seconds <= 0.13 * len(text) + 0.9
