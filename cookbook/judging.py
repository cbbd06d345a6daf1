"""Judges of recipes, trained once, and what they read of sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from transmodal.cookbook.work import Work
from transmodal.core.evaluation.judge import Judge, train_judge
from transmodal.core.kernel.progress import show
from transmodal.core.modality import Modality
from transmodal.core.table import Memory


def kept_judge(
    work: Work,
    name: str,
    modality: Modality,
    classes: int,
    items: Callable[[], Memory],
    **settings: Any,
) -> Judge:
    """A judge, out of the folder or trained now and put there.

    Args:
        work: the folder.
        name: of the judge in it.
        modality: whose signals it reads.
        classes: how many it tells apart.
        items: real, labelled ones; asked for only when it is trained.
        settings: of ``train_judge``, but for its precision, which is the folder's.
    """

    def train(net: Judge) -> None:
        data = items()
        own = train_judge(
            modality, data.signal, data.labels, classes,
            precision=work.precision, show=show, **settings,
        )  # fmt: skip
        net.load_state_dict(own.state_dict())

    return work.keep(name, Judge(modality, classes), train)


def heard(judge: Judge, speech: Modality, waves: Sequence[Any], wanted: Tensor) -> float:
    """Share of clips of sound (made by Griffin-Lim) that are read right, back in log-mels.

    Args:
        judge: reads log-mels.
        speech: their modality.
        waves: m waveforms ``[t]``.
        wanted: ``[m]`` classes.
    """
    # A clip that came out silent cannot be collated, and counts as wrong.
    sounding = [i for i, wave in enumerate(waves) if len(wave) and float(wave.abs().max()) > 1e-3]
    if not sounding:
        return 0.0
    again = speech.collate([waves[i] for i in sounding])
    return float((judge.predict(again) == wanted[sounding]).sum()) / len(waves)
