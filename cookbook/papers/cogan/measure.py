"""What couples of generators make, counted: agreement, quality, and translation by inversion."""

from __future__ import annotations

import torch

from transmodal.cookbook.papers.cogan.pairs import DIGITS, Task, couple
from transmodal.cookbook.papers.latent_transfer.models import judge
from transmodal.cookbook.papers.latent_transfer.sets import CLASSES, cut, load
from transmodal.cookbook.work import Work, remembered, translator_file
from transmodal.core.evaluation.agreement import pixel_agreement
from transmodal.core.evaluation.judge import Judge
from transmodal.core.evaluation.sampling import joint_samples
from transmodal.core.evaluation.synchrony import count_pair, entropy
from transmodal.core.signal import Signal

SAMPLES = 10_000
QUERIES = 200  # held-out digits translated by inversion
TIED = {"generator": 5, "critic": 4}  # layers of each, one of which stays a domain's own


def coupled(
    work: Work, task: Task, seed: int, tag: str = "", waist: int = 1, steps: int | None = None,
    **settings: float,
) -> dict[str, float]:  # fmt: skip
    """Joint samples of a couple against the operator, and read by the digits' judge.

    Args:
        work: folder of weights and values.
        task: the second domain.
        seed: of training and samples.
        tag: names a training with other settings.
        waist: see ``Image``.
        steps: of the game; the task's own when not given.
        settings: of ``WeightTying``.
    """

    def measure() -> dict[str, float]:
        translator = couple(work, task, seed, tag, waist, steps=steps or task.steps, **settings)
        n = 500 if work.quick else SAMPLES
        pieces = list(joint_samples(translator, n, [DIGITS, task.name], seed=seed))
        first = torch.cat([piece[DIGITS].values for piece in pieces])
        second = torch.cat([piece[task.name].values for piece in pieces])
        found = pixel_agreement(first, second, task.operator, foreground=task.foreground)
        strangers = pixel_agreement(
            first, second.roll(1, 0), task.operator, foreground=task.foreground
        )
        values = {
            "n": n,
            "agreement": found.agreement,
            "agreement/chance": found.chance,
            "agreement/blank": found.blank,
            "corrected": found.corrected,
            "iou": found.overlap or 0.0,
            "iou/chance": strangers.overlap or 0.0,
        }
        data = cut(load("mnist"), work.quick)
        reader = judge(work, "mnist", data)
        made = reader.probabilities(Signal(first))
        for name, shares in (("", made), ("/real", reader.probabilities(data.test.signal))):
            read = shares.argmax(1)
            counts = torch.bincount(read, minlength=len(CLASSES)).tolist()
            values[f"judge{name}"] = float(shares.max(1).values.mean())
            values[f"entropy{name}"] = entropy(counts)
        values["judge/accuracy"] = reader.accuracy(data.test.signal, data.test.labels)
        if task.back is not None:
            other = reader.predict(Signal(task.back(second)))
            same = count_pair(DIGITS, task.name, made.argmax(1), other, len(CLASSES))
            values["class"], values["class/chance"] = same.rate, same.chance
        spent = remembered(work.folder / "seconds", f"{task.name}{tag}", [seed])
        if seed in spent:  # it is not where the training was stopped
            values["processor seconds"] = spent[seed]["seconds"]
        return values

    of = [translator_file(f"{task.name}{tag}", seed)]
    return work.remember(f"{task.name}{tag}-{seed}", measure, of)


def tied(work: Work, task: Task, which: str, count: int, seed: int) -> dict[str, float]:
    """A training with ``count`` layers tied of the ``"generator"``s or ``"critic"``s."""
    tag = tied_tag(which, count)
    return coupled(work, task, seed, tag, **({f"tied_{which}": count} if tag else {}))


def tied_tag(which: str, count: int) -> str:
    """What names the values: all layers that can be is the task's own training."""
    return "" if count == TIED[which] - 1 else f"-{which}{count}"


def transformed(work: Work, task: Task, seed: int) -> dict[str, float]:
    """Held-out digits through the code that makes the nearest digit, into the second domain.

    And its pictures of other held-out digits back into digits, whose class the judge reads.
    """

    def measure() -> dict[str, float]:
        translator = couple(work, task, seed)
        data = cut(load("mnist"), work.quick)
        n = 20 if work.quick else QUERIES
        digits, others = data.test.signal[:n], data.test.signal[n : 2 * n]
        made = translator.translate_signal(digits, DIGITS, task.name)
        found = pixel_agreement(
            digits.values, made.values, task.operator, foreground=task.foreground
        )
        again = translator.translate_signal(digits, DIGITS, DIGITS)
        back = translator.translate_signal(Signal(task.operator(others.values)), task.name, DIGITS)
        reader: Judge = judge(work, "mnist", data)
        return {
            "n": n,
            "agreement": found.agreement,
            "agreement/chance": found.chance,
            "corrected": found.corrected,
            "iou": found.overlap or 0.0,
            "error": float((again.values - digits.values).square().mean()),
            "again": reader.accuracy(again, data.test.labels[:n]),
            "back": reader.accuracy(back, data.test.labels[n : 2 * n]),
        }

    of = [translator_file(task.name, seed)]
    return work.remember(f"transform-{task.name}-{seed}", measure, of)
