"""Text to text: English to French, beside a plain encoder-decoder."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from transmodal.cookbook.papers.m3d_gan.seq2seq import Seq2Seq
from transmodal.cookbook.papers.m3d_gan.tatoeba import Pairs, load
from transmodal.cookbook.work import Work, trained, translator_file, weights_file
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.modality import Modality
from transmodal.core.records import Records
from transmodal.core.seeds import derived_seed
from transmodal.core.sequences.taught import teach
from transmodal.core.stage import Adam, Batches, Draw, Phase, Stage
from transmodal.core.translator import Translator
from transmodal.plugins.text.modality import Text
from transmodal.registry import Registry

ENDS = ("english", "french")
STEPS, BATCH, PIECES = 12_000, 64, 4000
PLAIN = 228  # width at which the baseline has as many parameters, 4.7 million
QUICK = {"steps": 150, "batch": 32, "width": 64}
FEW = 100  # held-out sentences of a quick look


def modalities(pairs: Pairs, quick: bool) -> dict[str, Modality]:
    """English and French in pieces learned from training sentences."""
    text = Registry.load().modality("text")
    size = 1000 if quick else PIECES
    settings = {"longest": 60, "beams": 4, "penalty": 1.0, "smoothing": 0.1}
    settings |= dict.fromkeys(("embedding", "hidden"), QUICK["width"] if quick else 256)
    return {
        name: text.learned(texts, size=size, **settings)
        for name, texts in zip(ENDS, (pairs.english, pairs.french), strict=True)
    }


def translator(pairs: Pairs, quick: bool) -> Translator:
    """Without styles and critics: a reference would tell the answer."""
    bridge = Registry.load().bridge("universal-attention")
    settings = {"width": 256, "steps": STEPS, "batch": BATCH, **(QUICK if quick else {})}
    return Translator(
        modalities(pairs, quick),
        bridge(tasks=[ENDS], styled=(), adversarial=0.0, beta1=0.9, rate=1.5e-3, **settings),
    )


def records(pairs: Pairs) -> Records:
    """Pairs as records."""
    columns = dict(zip(ENDS, (pairs.english, pairs.french), strict=True))
    return Records.from_arrays(columns, paired=True)


def bleu(made: Sequence[str], real: Sequence[str]) -> dict[str, float]:
    """Corpus BLEU (13a) and chrF of sacrebleu, against one reference each."""
    import sacrebleu

    return {
        "bleu": sacrebleu.corpus_bleu(list(made), [list(real)]).score,
        "chrf": sacrebleu.corpus_chrf(list(made), [list(real)]).score,
    }


def parts(work: Work, part: str) -> tuple[Pairs, Pairs]:
    """Pairs to train on, and held-out ones."""
    train, choices, test = load()
    if work.quick:
        train = Pairs(train.english[:20_000], train.french[:20_000])
    held = {"test": test, "choices": choices}[part]
    return train, Pairs(held.english[:FEW], held.french[:FEW]) if work.quick else held


def heeded(nats: Callable[[Sequence[str]], float], english: Sequence[str]) -> dict[str, float]:
    """Whether the source is heeded: nats of a unit of French, told the units before it.

    ``told/own`` has its English, ``told/other`` that of the next pair; by chance they are alike.
    """
    return {"told/own": nats(english), "told/other": nats([*english[1:], english[0]])}


def ours(work: Work, seed: int, train: Pairs) -> Translator:
    """The translator, out of the folder or trained now."""
    return trained(
        work, "text_text", seed, lambda: translator(train, work.quick), lambda: records(train)
    )


def measure(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """BLEU and chrF of the translator and of chance, and ``heeded``, on held-out sentences."""
    train, held = parts(work, part)

    model = ours(work, seed, train)

    def values() -> dict[str, float]:
        found = {"n": float(len(held)), **bleu(model.translate(held.english, *ENDS), held.french)}
        found["parameters"] = float(sum(p.numel() for p in model.bridge.parameters()))
        found |= heeded(lambda english: likely(model, english, held.french), held.english)
        mixed = random.Random(0).sample(held.french, len(held))
        return found | {f"chance/{key}": value for key, value in bleu(mixed, held.french).items()}

    return work.remember(f"text_text-{part}-{seed}", values, [translator_file("text_text", seed)])


@torch.no_grad()
def likely(model: Translator, english: Sequence[str], french: Sequence[str]) -> float:
    """Nats of a unit of French texts, taught, after English ones."""
    bridge = model.bridge
    assert isinstance(bridge, UniversalAttention)
    read, written = (model.domains[end] for end in ENDS)
    nats = units = 0.0
    for start in range(0, len(french), 100):
        real = written.collate(french[start : start + 100])
        code = bridge.encode(read.collate(english[start : start + 100]), ENDS[0])
        made = teach(bridge.generators[bridge.owner[ENDS[1]]], code, None, real)
        nats += float(written.reconstruction(made, real).sum())
        units += float(written.counted(real).sum())
    return nats / units


def measure_baseline(work: Work, seed: int, part: str = "test") -> dict[str, float]:
    """The same of a plain encoder-decoder on the translator's units, as long and as large."""
    train, held = parts(work, part)

    texts = modalities(train, work.quick)
    plain = baseline(work, seed, texts, train)

    def values() -> dict[str, float]:
        said = written(plain, texts, held.english)
        found = {"n": float(len(held)), **bleu(said, held.french)}
        read, real = (texts[end] for end in ENDS)
        target = real.collate(held.french)
        with torch.no_grad():
            found |= heeded(lambda e: float(plain.loss(read.collate(e), target)), held.english)
        return found | {"parameters": float(sum(p.numel() for p in plain.parameters()))}

    return work.remember(f"seq2seq-{part}-{seed}", values, [weights_file(f"seq2seq-{seed}")])


def written(plain: Seq2Seq, domains: Mapping[str, Modality], english: Sequence[str]) -> list[str]:
    """What the baseline makes of texts, by the search of the translator it is held against."""
    read, french = (domains[end] for end in ENDS)
    assert isinstance(french, Text)
    made = []
    for start in range(0, len(english), 100):
        source = read.collate(english[start : start + 100])
        made += french.split(plain.write(source, french.longest + 1, french.beams, french.penalty))
    return made


def baseline(work: Work, seed: int, domains: Mapping[str, Modality], train: Pairs) -> Seq2Seq:
    """The plain encoder-decoder on the same units, as many steps and pairs."""
    texts = [domains[end] for end in ENDS]
    read, written = (text.vocabulary for text in texts if isinstance(text, Text))
    torch.manual_seed(derived_seed("seq2seq", seed))
    net = Seq2Seq(read, written, QUICK["width"] if work.quick else PLAIN)

    def loss(batches: Batches) -> dict[str, torch.Tensor]:
        source, target = (batches["pairs"].signals[end].trimmed() for end in ENDS)
        return {"cross-entropy": net.loss(source, target)}

    def train_it(net: nn.Module) -> None:
        steps = QUICK["steps"] if work.quick else STEPS
        adam = Adam(1.5e-3, schedule="cosine", warmup=200)
        phase = Phase("seq2seq", [net], loss, optimizer=adam, clip=1.0, ema=0.999)
        draw = Draw("pairs", ENDS, QUICK["batch"] if work.quick else BATCH, "paired")
        table = records(train).table(domains)
        work.train(f"seq2seq-{seed}", net, [Stage("seq2seq", steps, [phase], [draw])], table)

    return work.keep(f"seq2seq-{seed}", net, train_it)
