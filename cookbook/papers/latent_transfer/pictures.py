"""The paper's figures from the translators of the first seed: transfers and interpolations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from transmodal.cookbook.papers.latent_transfer.sets import load
from transmodal.cookbook.work import Work
from transmodal.core.bridges.bridging_vae import BridgingVAE
from transmodal.core.evaluation.pictures import grid, save_picture
from transmodal.core.modality import Preview
from transmodal.core.signal import Signal
from transmodal.core.translator import Translator
from transmodal.registry import Registry

STEPS = 10


def draw(work: Work, pairs: Sequence[tuple[str, str]], folder: Path, seed: int = 0) -> list[str]:
    """Pictures of transfers and of interpolations as PNG files, and the names of the pairs drawn.

    A pair whose translator is not there is left out.
    """
    registry, drawn = Registry.load(), []
    for source, target in pairs:
        place = work.translator(f"{source}-{target}", seed)
        if not (place / "config.json").is_file():
            continue
        drawn.append(place.name)
        translator = Translator.load(place, registry)
        first, second = translator.domains
        for here, there, name in ((first, second, source), (second, first, target)):
            data = load(name)
            shown = _two_of_each(data.test.labels)
            signal = data.test.signal[shown]
            made = translator.translate_signal(signal, here, there)
            row = [*_previews(translator, here, signal), *_previews(translator, there, made)]
            save_picture(grid(row, len(shown)), folder / f"{here}-{there}.png")
            save_picture(_way(translator, here, there, signal), folder / f"way-{here}-{there}.png")
    return drawn


def _two_of_each(labels: Tensor) -> Tensor:
    return torch.cat([(labels == label).nonzero()[:2, 0] for label in range(10)])


def _previews(translator: Translator, domain: str, signal: Signal) -> list[Preview]:
    modality = translator.domains[domain]
    return [modality.preview(item) for item in modality.split(signal)]


def _way(translator: Translator, here: str, there: str, signal: Signal) -> Tensor:
    """Fig. 5 and 6: between two items of a class, then to one of another, in three rows.

    1: the source's own latent space. 2: between the translations, in the target's. 3: every item
    of the first row translated.
    """
    bridge = translator.bridge
    assert isinstance(bridge, BridgingVAE)
    source, target = bridge.model(here), bridge.model(there)
    fixed = signal[torch.tensor([6, 7, 16])]  # two of class 3, one of class 8
    with torch.no_grad():
        z = source.posterior(fixed)[0]
        moved = target.posterior(translator.translate_signal(fixed, here, there))[0]
        own = source.decode(_between(z))
        rows = [
            (here, own),
            (there, target.decode(_between(moved))),
            (there, translator.translate_signal(own, here, there)),
        ]
    previews = [p for domain, row in rows for p in _previews(translator, domain, row)]
    return grid(previews, 2 * STEPS)


def _between(ends: Tensor) -> Tensor:
    """``[2 STEPS, d]``: sqrt(1 - p) a + sqrt(p) b from each end to the next (sec. 4.3)."""
    p = torch.linspace(0, 1, STEPS)[:, None]
    return torch.cat([(1 - p).sqrt() * a + p.sqrt() * b for a, b in pairwise(ends)])
