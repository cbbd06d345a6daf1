"""Speech to text of a person: what was learned of espeak's voices goes on with her prompts.

Six minutes of recordings (asterisk5, ``voices.prompts``) teach no one to spell; a model that
spells synthetic voices can get used to hers. Texts of the tested prompts are never trained on.
"""

from __future__ import annotations

import torch
from torch import nn

from transmodal.cookbook.papers.m3d_gan import speech_text
from transmodal.cookbook.papers.m3d_gan.speech_text import ENDS, Speller, errors, modalities, spelt
from transmodal.cookbook.papers.m3d_gan.text_speech import RATE, SPECTRUM, TESTED, corpus
from transmodal.cookbook.papers.m3d_gan.voices import prompts
from transmodal.cookbook.work import Work, trained, translator_file, weights_file
from transmodal.core.modality import Modality
from transmodal.core.seeds import derived_seed
from transmodal.core.signal import Signal
from transmodal.core.stage import UNLABELLED, Adam, Draw, Phase, Stage
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator
from transmodal.registry import Registry

COPIES = 8  # of each prompt, changed as rooms and speakers change them
KEPT = 1000  # of espeak's sentences, that they be not forgotten
SPELT, STEPS = 800, 400  # steps of spelling, then of the whole
QUICK = 20


def table(work: Work, domains: dict[str, Modality], seed: int) -> Table:
    """Prompts, augmented copies of them, and sentences by espeak."""
    person = prompts("train", RATE, SPECTRUM["seconds"])
    copies, kept = (1, QUICK) if work.quick else (COPIES, KEPT)
    if work.quick:
        person = person.take(range(min(len(person), QUICK)))
    spoken = corpus(work, "train", speech_text.SENTENCES)
    spoken = spoken.take(range(min(len(spoken), kept)))
    changing = Registry.load().modality("speech")(**SPECTRUM)
    generator = torch.Generator().manual_seed(derived_seed("prompts", seed))
    clips = changing.collate(person.waves)
    parts = [clips, *(changing.augment(clips, generator) for _ in range(copies))]
    parts.append(changing.collate(spoken.waves))
    texts = [*(list(person.texts) * (1 + copies)), *spoken.texts]
    speech = Signal(torch.cat([p.values for p in parts]), torch.cat([_lengths(p) for p in parts]))
    none = torch.full((len(texts),), UNLABELLED)
    text = domains["text"].collate(texts)
    return Table({"speech": Memory(speech, none), "text": Memory(text, none)})


def _lengths(signal: Signal) -> torch.Tensor:
    assert signal.lengths is not None
    return signal.lengths


def used_to_her(work: Work, seed: int) -> Speller:
    """The speller of espeak's voices, gone on with her prompts."""
    net = spelt(work, seed)

    def train(net: nn.Module) -> None:
        assert isinstance(net, Speller)
        net.requires_grad_(True)
        steps = QUICK if work.quick else SPELT
        phase = Phase("spelling", [net], net.loss, optimizer=Adam(1e-3, warmup=50), clip=1.0)
        draw = Draw("pairs", ENDS, speech_text.BATCH, "paired")
        stage = Stage("spelling", steps, [phase], [draw])
        work.train(f"speller-prompts-{seed}", net, [stage], table(work, modalities(), seed))

    after = [weights_file(f"speller-{seed}")]
    return work.keep(f"speller-prompts-{seed}", net, train, after)


def measure(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """Errors on her held-out prompts, and on espeak's sentences (``voices/``) as before."""
    which = {"test": "test", "choices": "validation"}[part]

    def begun() -> Translator:
        before = speech_text.recogniser(work, seed)
        ours = before.with_settings(steps=QUICK if work.quick else STEPS)
        prenet: nn.Module = ours.bridge.prenets["speech"]  # type: ignore[index, assignment]
        prenet.load_state_dict(used_to_her(work, seed).prenet.state_dict())
        return ours

    tag, own = "prompts_text", weights_file(f"speller-prompts-{seed}")
    after = [translator_file("speech_text", seed), own]
    ours = trained(work, tag, seed, begun, lambda: table(work, modalities(), seed), after)
    speller = used_to_her(work, seed)

    def values() -> dict[str, float]:
        person = prompts(which, RATE, SPECTRUM["seconds"])
        found = {"n": float(len(person)), "seed": float(seed)}
        found |= errors(ours.translate(person.waves, *ENDS), person)
        said = speech_text.spelling(speller, ours, person)
        found |= {f"spelling/{key}": value for key, value in errors(said, person).items()}
        real = corpus(work, which, TESTED)
        known = errors(ours.translate(real.waves, *ENDS), real)
        found["voices/n"] = float(len(real))
        return found | {f"voices/{key}": value for key, value in known.items()}

    return work.remember(f"{tag}-{part}-{seed}", values, [translator_file(tag, seed), own])
