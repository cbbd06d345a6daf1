"""Speech to text: what is said in clips of sentences never heard, and by a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from transmodal.cookbook.papers.m3d_gan.text_speech import (
    ALPHABET,
    RATE,
    SPECTRUM,
    TESTED,
    corpus,
    records,
)
from transmodal.cookbook.papers.m3d_gan.voices import STYLES, Spoken, prompts
from transmodal.cookbook.work import Work, trained, translator_file, weights_file
from transmodal.core.modality import Modality
from transmodal.core.seeds import derived_seed, seeded
from transmodal.core.sequences.ctc import Spelling
from transmodal.core.stage import Adam, Batches, Draw, Phase, Stage
from transmodal.core.translator import Translator
from transmodal.plugins.text.metrics import cer, wer
from transmodal.plugins.text.units import END
from transmodal.registry import Registry

ENDS = ("speech", "text")
WIDTH, SENTENCES = 256, 8000
SPELT, STEPS, BATCH = 1500, 700, 32  # steps of spelling, then of the whole
QUICK = {"steps": 30, "batch": 16, "width": 64}
SPELT_QUICK = 400


class Speller(nn.Module):
    """A speech prenet, and the spelling of its tokens."""

    def __init__(self, domains: dict[str, Modality], width: int) -> None:
        super().__init__()
        self.prenet = domains["speech"].prenet(width)
        self.spelling = Spelling(width, domains["text"].vocabulary, END)  # type: ignore[attr-defined]

    def loss(self, batches: Batches) -> dict[str, Tensor]:
        """Nats of a character."""
        signals = batches["pairs"].signals
        speech, text = (signals[end].trimmed() for end in ENDS)
        nats = self.spelling.loss(self.prenet(speech), text)
        return {"spelling": (nats / text.mask().sum(1)).mean()}


def modalities() -> dict[str, Modality]:
    """Log-mels of 16 ms, two of them a token, and letters."""
    registry = Registry.load()
    speech = registry.modality("speech")(**SPECTRUM, reduction=5, augmentation=0.0)
    text = registry.modality("text")(
        unit="character", alphabet=ALPHABET, longest=100, attention="location", beams=4, penalty=1.0
    )
    return {"speech": speech, "text": text}


def translator(quick: bool) -> Translator:
    """Universal attention from speech to letters, without styles and critics."""
    settings: dict[str, Any] = {"width": WIDTH, "steps": STEPS, "batch": BATCH}
    bridge = Registry.load().bridge("universal-attention")(
        tasks=[ENDS],
        styled=(),
        adversarial=0.0,
        guide=2.0,
        guide_until=0.5,
        beta1=0.9,
        rate=1e-3,
        warmup=50,
        ema=0.99,
        **{**settings, **(QUICK if quick else {})},
    )
    return Translator(modalities(), bridge)


def spelt(work: Work, seed: int) -> Speller:
    """A prenet that has learned to spell what it hears (CTC), for the translator to begin with."""
    domains = modalities()
    width = QUICK["width"] if work.quick else WIDTH
    with torch.random.fork_rng(), seeded(derived_seed("speller", seed)):
        net = Speller(domains, width)

    def train(net: nn.Module) -> None:
        assert isinstance(net, Speller)
        steps = SPELT_QUICK if work.quick else SPELT
        adam = Adam(2e-3, schedule="cosine", warmup=200)
        phase = Phase("spelling", [net], net.loss, optimizer=adam, clip=1.0)
        draw = Draw("pairs", ENDS, QUICK["batch"] if work.quick else BATCH, "paired")
        table = records(corpus(work, "train", SENTENCES)).table(domains)
        work.train(f"speller-{seed}", net, [Stage("spelling", steps, [phase], [draw])], table)

    return work.keep(f"speller-{seed}", net, train)


def recogniser(work: Work, seed: int) -> Translator:
    """The trained translator."""

    def begun() -> Translator:
        ours = translator(work.quick)
        ours.connect(tuple(STYLES), seed=seed)
        prenet: nn.Module = ours.bridge.prenets["speech"]  # type: ignore[index, assignment]
        prenet.load_state_dict(spelt(work, seed).prenet.state_dict())
        return ours

    return trained(
        work,
        "speech_text",
        seed,
        begun,
        lambda: records(corpus(work, "train", SENTENCES)),
        after=[weights_file(f"speller-{seed}")],
    )


@torch.no_grad()
def spelling(speller: Speller, ours: Translator, real: Spoken) -> list[str]:
    """What a speller alone writes of clips."""
    speech = ours.domains["speech"].collate(real.waves)
    units = speller.spelling.best(speller.prenet(speech))
    return list(ours.domains["text"].split(units))


def measure(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """Errors on held-out sentences of espeak's voices, and on prompts of an unseen speaker.

    ``chance/cer`` is of the one training sentence that is nearest to a hundred others.
    """
    which = {"test": "test", "choices": "validation"}[part]

    ours, speller = recogniser(work, seed), spelt(work, seed)

    def values() -> dict[str, float]:
        real = corpus(work, which, TESTED)
        found = {"n": float(len(real)), "seed": float(seed)}
        found |= errors(ours.translate(real.waves, *ENDS), real)
        said = spelling(speller, ours, real)
        found |= {f"spelling/{key}": value for key, value in errors(said, real).items()}
        some = corpus(work, "train", SENTENCES).texts[:100]
        constant = min(some, key=lambda text: cer([text] * len(some), some))
        found["chance/cer"] = cer([constant] * len(real), real.texts)
        stranger = prompts(which, RATE, SPECTRUM["seconds"])
        found["unseen/n"] = float(len(stranger))
        unseen = errors(ours.translate(stranger.waves, *ENDS), stranger)
        return found | {f"unseen/{key}": value for key, value in unseen.items()}

    of = [translator_file("speech_text", seed), weights_file(f"speller-{seed}")]
    return work.remember(f"speech_text-{part}-{seed}", values, of)


def errors(said: Sequence[str], real: Spoken) -> dict[str, float]:
    """CER and WER of texts against what was said."""
    return {"cer": cer(said, real.texts), "wer": wer(said, real.texts)}
