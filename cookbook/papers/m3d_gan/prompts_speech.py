"""Text to speech of a person: what was learned of espeak's voices goes on with her prompts.

Five minutes of short recordings (asterisk5, ``voices.prompts``) teach no one to read; a model that
reads aloud in synthetic voices can take hers as one more style, told by a reference clip. Texts of
the tested prompts are never trained on.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from transmodal.cookbook.papers.m3d_gan import text_speech
from transmodal.cookbook.papers.m3d_gan.text_speech import (
    LETTERS,
    RATE,
    SPECTRUM,
    corpus,
    hearable,
    say,
    voice_judge,
)
from transmodal.cookbook.papers.m3d_gan.voices import STYLES, Spoken, joined, prompts
from transmodal.cookbook.papers.m3d_gan.whisper import Whisper, word_errors
from transmodal.cookbook.work import Work, trained, translator_file
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.translator import Translator

PERSON = "allison"
VOICES = (*STYLES, PERSON)
STEPS = 1500
KEPT = 4000  # of espeak's sentences, that they be not forgotten
JUDGED = 1200  # of them for the judge
QUICK = 20


def hers(which: str) -> Spoken:
    """Her prompts that fit the translator's clips and texts; her style is the last."""
    found = prompts(which, RATE, SPECTRUM["seconds"])
    short = found.take(i for i, text in enumerate(found.texts) if len(text) <= LETTERS)
    return replace(short, styles=torch.full((len(short),), len(STYLES)))


def used_to_her(work: Work, seed: int) -> Translator:
    """The speaker of espeak's voices, gone on with theirs and hers, a fifth each."""

    def begun() -> Translator:
        before = text_speech.speaker(work, seed).bridge
        ours = text_speech.translator(
            work.quick,
            steps=QUICK if work.quick else STEPS,
            listening=0,  # they have, to four of the voices; with hers they go on learning
            guide=0.0,
            rate=5e-4,
        )
        ours.connect(VOICES, seed=seed)
        bridge = ours.bridge
        assert isinstance(before, UniversalAttention) and isinstance(bridge, UniversalAttention)
        assert before.styles is not None and bridge.styles is not None
        pairs: list[tuple[nn.Module, nn.Module]] = [
            (before.prenets, bridge.prenets),
            (before.generators, bridge.generators),
            (before.styles.references, bridge.styles.references),
            (before.styles.universal, bridge.styles.universal),
        ]
        for old, new in pairs:
            new.load_state_dict(old.state_dict())
        return ours

    return trained(
        work,
        "prompts_speech",
        seed,
        begun,
        lambda: text_speech.records(taught(work, KEPT), VOICES),
        after=[translator_file("text_speech", seed)],
    )


def taught(work: Work, kept: int) -> Spoken:
    """Her training prompts, and so many of espeak's sentences."""
    return joined(hers("train"), corpus(work, "train", kept))


def measure(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """Word errors by whisper of held-out prompts said after another of hers, and whose voice it is.

    ``real/...`` are of her recordings, ``copy/...`` of them through the log-mel and back, and
    ``before/...`` of the speaker that has never heard her. A quick run does not hear. She was
    taken by telephone, at 8 kHz: that alone may tell her from espeak's voices (``style``).
    """
    real = hers({"test": "test", "choices": "validation"}[part])
    references = [*real.waves[1:], real.waves[0]]

    ours, before = used_to_her(work, seed), text_speech.speaker(work, seed)

    def values() -> dict[str, float]:
        judge = voice_judge(
            work, "judge-voices-and-hers", len(VOICES), lambda: taught(work, JUDGED)
        )
        whisper = None if work.quick else Whisper(work.folder / "whisper")

        def figures(waves: list[Tensor]) -> dict[str, float]:
            made = judge.modality.collate([hearable(wave) for wave in waves])
            told = {"style": judge.accuracy(made, real.styles)}
            if whisper is None:
                return told
            heard = [whisper.hear(wave, real.rate) for wave in waves]
            return {**told, "wer": word_errors(real.texts, heard)}

        found = {"n": float(len(real)), "seed": float(seed)}
        found |= figures(list(say(ours, real.texts, references).waves))
        rows = {
            "before": list(say(before, real.texts, references).waves),
            "real": list(real.waves),
            "copy": ours.domains["speech"].split(ours.domains["speech"].collate(real.waves)),
        }
        for name, waves in rows.items():
            found |= {f"{name}/{key}": value for key, value in figures(waves).items()}
        return found

    of = [translator_file("prompts_speech", seed)]
    return work.remember(f"prompts_speech-{part}-{seed}", values, of)
