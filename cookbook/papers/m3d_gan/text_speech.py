"""Text to speech: sentences never heard, in the style of a reference clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transmodal.cookbook.papers.latent_transfer.models import Work, remember
from transmodal.cookbook.papers.m3d_gan.training import trained
from transmodal.cookbook.papers.m3d_gan.voices import STYLES, Spoken, voices
from transmodal.cookbook.papers.m3d_gan.whisper import Whisper, word_errors
from transmodal.core.bridges.universal_nets import ReferenceEncoder
from transmodal.core.code import Code
from transmodal.core.evaluation.judge import Judge, train_judge
from transmodal.core.kernel.progress import show
from transmodal.core.modality import Modality
from transmodal.core.objectives import gaussian_kl
from transmodal.core.records import Records
from transmodal.core.seeds import derived_seed, seeded
from transmodal.core.sequences.taught import Taught
from transmodal.core.stage import Adam, Batches, Draw, Phase, Stage
from transmodal.core.translator import Translator
from transmodal.registry import Registry

ENDS = ("text", "speech")
ALPHABET = " 'abcdefghijklmnopqrstuvwxyz"
RATE = 16000
# bins enough for harmonics, and quiet ends kept: whisper mishears less of what comes back
SPECTRUM: dict[str, Any] = {
    "sample_rate": RATE, "seconds": 2.6, "n_fft": 1024, "hop": 256, "mels": 128, "trim": 50.0,
}  # fmt: skip
SENTENCES, TESTED, JUDGED = 8000, 60, 2000  # for training, testing, the judge of styles
STEPS, BATCH = 2500, 32
WIDTH, LATENT = 128, 16
LISTENED, CLIPS = 150, 1000  # steps in which references learn styles, and of how many clips
QUICK = {"steps": 250, "batch": 16, "width": 64}


@dataclass(frozen=True)
class Said:
    """What a translator made: waveforms, and where it looked, ``[s n]`` for each."""

    waves: Sequence[Tensor]
    alignments: Sequence[Tensor]


def modalities() -> dict[str, Modality]:
    """Letters, and log-mels of 16 ms made five at a time."""
    registry = Registry.load()
    text = registry.modality("text")(unit="character", alphabet=ALPHABET, longest=30, bank=4)
    speech = registry.modality("speech")(
        **SPECTRUM, reduction=5, stride=4, dropped=0.4, augmentation=0.0
    )
    return {"text": text, "speech": speech}


def translator(quick: bool) -> Translator:
    """Universal attention from letters to speech, in a style."""
    settings: dict[str, Any] = {"width": WIDTH, "latent": LATENT, "steps": STEPS, "batch": BATCH}
    bridge = Registry.load().bridge("universal-attention")(
        tasks=[ENDS],
        styled=["speech"],
        reference="label",
        style_width=64,
        adversarial=0.0,
        latent_regression=0.0,
        distance=0.0,
        kl=1e-5,  # with 1e-3, r says nothing by the time the generator could hear it
        guide=10.0,
        guide_until=0.3,
        beta1=0.9,
        rate=2e-3,
        ema=None,  # an average over so few steps would hold the beginning
        **{**settings, **(QUICK if quick else {})},
    )
    return Translator(modalities(), bridge)


def corpus(work: Work, which: str, count: int) -> Spoken:
    """``voices``, few of them in quick runs."""
    if work.quick:
        count = min(count, 400 if which == "train" else 10)
    return voices(work.folder / "voices", which, count, RATE)


def records(spoken: Spoken) -> Records:
    """Texts beside their recordings, labelled by style."""
    names = list(STYLES)
    columns = {"text": spoken.texts, "speech": spoken.waves}
    labels = [names[i] if i >= 0 else None for i in spoken.styles.tolist()]
    return Records.from_arrays(columns, labels, paired=True)


class Listener(nn.Module):
    """A reference encoder, and a linear map that tells styles by its r."""

    def __init__(self, modality: Modality, width: int) -> None:
        super().__init__()
        self.encoder = ReferenceEncoder(modality, width, LATENT)
        self.head = nn.Linear(LATENT, len(STYLES))

    def loss(self, batches: Batches) -> dict[str, Tensor]:
        """Styles told through a bottleneck (Alemi et al. 2017, eq. 17), so r stays near N(0, I)."""
        clips = batches["clips"]
        mean, std = self.encoder(clips.signals["speech"].trimmed())
        logits = self.head(mean + std * torch.randn_like(std))
        labels = clips.labels["speech"].to(logits.device)
        return {
            "style": F.cross_entropy(logits, labels),
            "kl": 0.01 * gaussian_kl(mean, std).mean(),
        }


def listened(work: Work, seed: int) -> Listener:
    """A reference encoder that tells styles apart, for the translator to begin with.

    Left to itself it is ignored: told the frame before, a generator hears the style in it, and
    r, noise at first, is never asked. M3D-GAN trains without labels; this is a departure.
    """
    domains = {"speech": modalities()["speech"]}
    width = QUICK["width"] if work.quick else WIDTH
    with torch.random.fork_rng(), seeded(derived_seed("listener", seed)):
        net = Listener(domains["speech"], width)

    def train(net: nn.Module) -> None:
        assert isinstance(net, Listener)
        adam = Adam(2e-3, schedule="cosine", warmup=20)
        phase = Phase("listener", [net], net.loss, optimizer=adam, clip=1.0)
        draw = Draw("clips", ("speech",), 32, labelled=True, balanced=True)
        some = corpus(work, "train", SENTENCES)
        table = records(some.take(range(min(len(some), CLIPS)))).table(domains, tuple(STYLES))
        steps = work.steps(LISTENED)
        work.train(f"listener-{seed}", net, [Stage("listener", steps, [phase], [draw])], table)

    return work.keep(f"listener-{seed}", net, train)


def begun(work: Work, seed: int) -> Translator:
    """A translator whose references tell styles apart already."""
    ours = translator(work.quick)
    ours.connect(tuple(STYLES), seed=seed)
    encoder: nn.Module = ours.bridge.references["speech"]  # type: ignore[index, assignment]
    encoder.load_state_dict(listened(work, seed).encoder.state_dict())
    return ours


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
        counts = made.steps.tolist(), _counts(code)
        looked += [a[:s, :n] for a, s, n in zip(made.alignment, *counts, strict=True)]
    return Said(waves, looked)


def _counts(code: Code) -> list[int]:
    n = code.tokens.shape[1]
    found: list[int] = [n] * len(code) if code.mask is None else code.mask.sum(1).tolist()
    return found


def style_judge(work: Work) -> Judge:
    """A classifier of styles, of real training clips; convolutions over the log-mel's window."""
    modality = Registry.load().modality("speech")(**SPECTRUM, augmentation=0.0)

    def train(net: Judge) -> None:
        clips = corpus(work, "train", SENTENCES).take(range(JUDGED if not work.quick else 200))
        signal = modality.collate(clips.waves)
        made = train_judge(modality, signal, clips.styles, len(STYLES), seed=12345, batch=64,
                           steps=work.steps(150), show=show)  # fmt: skip
        net.load_state_dict(made.state_dict())

    return work.keep("judge-styles", Judge(modality, len(STYLES)), train)


def measure(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """Word errors by whisper and styles by the judge, of held-out sentences.

    A test sentence is said in the style of its own recording (``wer``) and of another style
    (``wer_swapped``), the reference being of another sentence; ``wer_real`` is of its
    recording, ``wer_copy`` of that recording through the log-mel and back. Every test sentence
    is said in every style for ``style``.
    """
    real = corpus(work, {"test": "test", "choices": "validation"}[part], TESTED)
    count = len(real) // len(STYLES)
    n = len(STYLES)

    def values() -> dict[str, float]:
        ours = trained(
            work,
            "text_speech",
            seed,
            lambda: begun(work, seed),
            lambda: records(corpus(work, "train", SENTENCES)),
        )
        judge, speech = style_judge(work), ours.domains["speech"]
        everything = said_in_all(ours, real, count)
        found = {"n": float(count), "seed": float(seed)}
        signal = judge.modality.collate(real.waves)
        found["style_real"] = judge.accuracy(signal, real.styles)
        made = judge.modality.collate([hearable(wave) for wave in everything.waves])
        found["style"] = judge.accuracy(made, real.styles)
        own = [(i % n) * count + i for i in range(count)]
        swapped = [((i + 1 + i // n % (n - 1)) % n) * count + i for i in range(count)]
        texts = real.texts[:count]
        whisper = Whisper(work.folder / "whisper")

        def wer(waves: Sequence[Tensor]) -> float:
            heard = [whisper.hear(wave, real.rate) for wave in waves]
            return word_errors(texts, heard)

        found["wer_real"] = wer([real.waves[i] for i in own])
        found["wer_copy"] = wer(speech.split(speech.collate([real.waves[i] for i in own])))
        found["wer"] = wer([everything.waves[i] for i in own])
        found["wer_swapped"] = wer([everything.waves[i] for i in swapped])
        return found

    return remember(work.folder / "values" / f"text_speech-{part}-{seed}.json", values)


def said_in_all(ours: Translator, real: Spoken, count: int) -> Said:
    """Every test sentence in every style, in the order of ``real``.

    References are test recordings of the style, of the next sentence.
    """
    references = [real.waves[i // count * count + (i + 1) % count] for i in range(len(real))]
    return say(ours, real.texts, references)


def hearable(wave: Tensor) -> Tensor:
    """The wave, or a click where it is silent: judges refuse silence, which must count as wrong."""
    if len(wave) and float(wave.abs().max()) >= 1e-3:
        return wave
    click = torch.zeros(1600)
    click[800] = 1.0
    return click
