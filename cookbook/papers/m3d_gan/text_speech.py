"""Text to speech: sentences never heard, in the style of a reference clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from transmodal.cookbook.judging import kept_judge
from transmodal.cookbook.papers.m3d_gan.voices import STYLES, Spoken, voices
from transmodal.cookbook.papers.m3d_gan.whisper import Whisper, word_errors
from transmodal.cookbook.work import Work, trained, translator_file
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.evaluation.judge import Judge
from transmodal.core.modality import Modality
from transmodal.core.records import Records
from transmodal.core.sequences.taught import Taught, teach
from transmodal.core.sound.mel import DECIBELS
from transmodal.core.table import Memory
from transmodal.core.translator import Translator
from transmodal.registry import Registry

ENDS = ("text", "speech")
ALPHABET = " 'abcdefghijklmnopqrstuvwxyz"
RATE, LETTERS = 16000, 30
# bins enough for harmonics, and quiet ends kept: whisper mishears less of what comes back
SPECTRUM: dict[str, Any] = {
    "sample_rate": RATE, "seconds": 2.6, "n_fft": 1024, "hop": 256, "mels": 128, "trim": 50.0,
}  # fmt: skip
SENTENCES, TESTED, JUDGED = 32000, 60, 2000  # for training, testing, the judge of styles
SAID = 200  # for testing what is said: one word in the 60 was .004 of the errors
STEPS, BATCH, WIDTH = 15000, 64, 128
LISTENING = 300  # steps in which references learn to tell the styles
QUICK = {"steps": 150, "batch": 16, "width": 64, "listening": 60}


@dataclass(frozen=True)
class Said:
    """What a translator made: waveforms, and where it looked, ``[s n]`` for each."""

    waves: Sequence[Tensor]
    alignments: Sequence[Tensor]


def modalities() -> dict[str, Modality]:
    """Letters, and log-mels of 16 ms made five at a time."""
    registry = Registry.load()
    text = registry.modality("text")(unit="character", alphabet=ALPHABET, longest=LETTERS, bank=4)
    speech = registry.modality("speech")(
        **SPECTRUM, reduction=5, stride=4, dropped=0.4, augmentation=0.0
    )
    return {"text": text, "speech": speech}


def translator(quick: bool, **changes: Any) -> Translator:
    """Universal attention from letters to speech, in a style; with settings to be changed."""
    settings: dict[str, Any] = {
        "width": WIDTH, "steps": STEPS, "batch": BATCH, "listening": LISTENING, "guide": 10.0,
        "rate": 2e-3,
    }  # fmt: skip
    bridge = Registry.load().bridge("universal-attention")(
        tasks=[ENDS],
        styled=["speech"],
        reference="label",
        style_width=64,
        adversarial=0.0,
        latent_regression=0.0,
        distance=0.0,
        guide_until=0.3,
        beta1=0.9,
        **{**settings, **(QUICK if quick else {}), **changes},
    )
    return Translator(modalities(), bridge)


def corpus(work: Work, which: str, count: int) -> Spoken:
    """``voices``, few of them in quick runs."""
    if work.quick:
        count = min(count, 400 if which == "train" else 10)
    return voices(work.folder / "voices", which, count, RATE)


def speaker(work: Work, seed: int) -> Translator:
    """The translator, out of the folder or trained now."""
    return trained(
        work,
        "text_speech",
        seed,
        lambda: translator(work.quick),
        lambda: records(corpus(work, "train", SENTENCES)),
    )


def records(spoken: Spoken, names: Sequence[str] = tuple(STYLES)) -> Records:
    """Texts beside their recordings, labelled by style."""
    columns = {"text": spoken.texts, "speech": spoken.waves}
    labels = [names[i] if i >= 0 else None for i in spoken.styles.tolist()]
    return Records.from_arrays(columns, labels, paired=True)


@torch.no_grad()
def say(ours: Translator, texts: Sequence[str], references: Sequence[Tensor]) -> Said:
    """Each text in the style of the reference at its place."""
    text, speech = (ours.domains[end] for end in ENDS)
    waves: list[Tensor] = []
    looked: list[Tensor] = []
    for i in range(0, len(texts), 50):
        code = ours.bridge.encode(text.collate(texts[i : i + 50]), "text")
        style = ours.bridge.style(speech.collate(references[i : i + 50]), "speech")
        made = ours.bridge.decode(code, "speech", style)
        assert isinstance(made, Taught) and made.alignment is not None
        waves += speech.split(made)
        counts = made.steps.tolist(), code.counts.tolist()
        looked += [a[:s, :n] for a, s, n in zip(made.alignment, *counts, strict=True)]
    return Said(waves, looked)


def style_judge(work: Work) -> Judge:
    """A classifier of espeak's styles, of real training clips."""

    def clips() -> Spoken:
        return corpus(work, "train", JUDGED if not work.quick else 200)

    return voice_judge(work, "judge-voice-styles", len(STYLES), clips)


def voice_judge(work: Work, name: str, classes: int, clips: Callable[[], Spoken]) -> Judge:
    """A classifier of voices, of real clips; convolutions over the log-mel's window."""
    modality = Registry.load().modality("speech")(**SPECTRUM, augmentation=0.0)

    def items() -> Memory:
        real = clips()
        return Memory(modality.collate(real.waves), real.styles)

    steps = work.steps(150)
    return kept_judge(work, name, modality, classes, items, seed=12345, batch=64, steps=steps)


def measure(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """Word errors by whisper and styles by the judge, of held-out sentences.

    A test sentence is said after its own recording as reference (``wer``), and in another style
    after a recording of another sentence (``wer_swapped``); ``wer_real`` is of its
    recording, ``wer_copy`` of that recording through the log-mel and back. For ``every/style``
    every test sentence is said in every style, after another sentence; ``every/similarity`` is
    the cosine of the judge's features of both, ``every/similarity_other`` that with a reference
    of another style. ``told/...`` is ``heeded``, all there is of a quick run.
    """
    real = corpus(work, {"test": "test", "choices": "validation"}[part], SAID)
    count = len(real) // len(STYLES)
    n = len(STYLES)

    ours = speaker(work, seed)

    def values() -> dict[str, float]:
        found = {"n": float(count), "seed": float(seed), **heeded(ours, real)}
        if work.quick:
            return found
        judge, speech = style_judge(work), ours.domains["speech"]
        everything = said_in_all(ours, real, count)
        found["every/n"] = float(len(real))
        signal = judge.modality.collate(real.waves)
        found["every/style_real"] = judge.accuracy(signal, real.styles)
        made = judge.modality.collate([hearable(wave) for wave in everything.waves])
        found["every/style"] = judge.accuracy(made, real.styles)
        after = references(real, count)
        for key, clips in (("", after), ("_other", [*after[count:], *after[:count]])):
            heard = judge.modality.collate(clips)
            found[f"every/similarity{key}"] = judge.similarity(made, heard)
        own = [real.waves[(i % n) * count + i] for i in range(count)]
        swapped = [((i + 1 + i // n % (n - 1)) % n) * count + i for i in range(count)]
        texts = real.texts[:count]
        whisper = Whisper(work.folder / "whisper")

        def wer(waves: Sequence[Tensor]) -> float:
            heard = [whisper.hear(wave, real.rate) for wave in waves]
            return word_errors(texts, heard)

        found["wer_real"] = wer(own)
        found["wer_copy"] = wer(speech.split(speech.collate(own)))
        found["wer"] = wer(say(ours, texts, own).waves)
        found["wer_swapped"] = wer([everything.waves[i] for i in swapped])
        return found

    of = [translator_file("text_speech", seed)]
    return work.remember(f"text_speech-{part}-{seed}", values, of)


@torch.no_grad()
def heeded(ours: Translator, real: Spoken) -> dict[str, float]:
    """Whether the text and the reference are heeded: mean error of a mel bin, in decibels.

    It is told the frames before. ``told/own`` has the clip's text and a reference of its style,
    of another sentence; ``told/other_text`` another text, ``told/other_style`` another style.
    By chance they are all alike.
    """
    text, speech = (ours.domains[end] for end in ENDS)
    bridge = ours.bridge
    assert isinstance(bridge, UniversalAttention)
    count, places = len(real) // len(STYLES), range(len(real))
    following = [i // count * count + (i + 1) % count for i in places]
    elsewhere = [(i + count) % len(real) for i in following]
    target = speech.collate(real.waves)

    def error(texts: Sequence[int], references: Sequence[int]) -> float:
        off = 0.0
        for some in torch.arange(len(real)).split(60):
            asked = [real.texts[texts[i]] for i in some.tolist()]
            clips = [real.waves[references[i]] for i in some.tolist()]
            code = bridge.encode(text.collate(asked), "text")
            style = bridge.style(speech.collate(clips), "speech")
            wanted = target[some].trimmed()
            made = teach(bridge.generators["speech"], code, style, wanted).values
            wrong = (made[:, : wanted.values.shape[1]] - wanted.values).abs()
            off += float((wrong * wanted.mask()[..., None]).sum())
        return off * DECIBELS / float(speech.counted(target).sum())

    return {
        "told/own": error(places, following),
        "told/other_text": error(following, following),
        "told/other_style": error(places, elsewhere),
    }


def said_in_all(ours: Translator, real: Spoken, count: int) -> Said:
    """Every test sentence in every style, in the order of ``real``."""
    return say(ours, real.texts, references(real, count))


def references(real: Spoken, count: int) -> list[Tensor]:
    """For each test recording another of its style, of the next sentence."""
    return [real.waves[i // count * count + (i + 1) % count] for i in range(len(real))]


def hearable(wave: Tensor) -> Tensor:
    """The wave, or a click where it is silent: judges refuse silence, which must count as wrong."""
    if len(wave) and float(wave.abs().max()) >= 1e-3:
        return wave
    click = torch.zeros(1600)
    click[800] = 1.0
    return click
