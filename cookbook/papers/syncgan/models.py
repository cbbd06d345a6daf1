"""The settings of every experiment's translator, and its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transmodal.cookbook.work import Work, trained
from transmodal.core.bridges.synchronizer import Synchronizer
from transmodal.core.latents.searches import search_named
from transmodal.core.modality import Modality
from transmodal.core.records import Records
from transmodal.core.table import Table
from transmodal.core.translator import Translator
from transmodal.registry import Registry

WAYS: Mapping[str, tuple[str, Mapping[str, Any]]] = {  # the plugin of a domain, and its settings
    "digits": ("image", {}),
    "garments": ("image", {}),
    "rotated": ("image", {}),
    "spoken": ("speech", {"sample_rate": 8000, "seconds": 0.75}),
    "pictures": ("image", {"size": 64, "channels": 3, "flip": True, "augmentation": 1.5}),
    "raster": ("audio", {"form": "raster", "samples": 512, "points": 128}),
    "mel": ("audio", {"form": "mel", "seconds": 1.0}),
}
CLASSES: Mapping[str, Any] = {
    "concepts": 10, "latent": 16, "fusion": "product", "steps": 1000, "sync_steps": 1500,
    "sync_rate": 7e-4, "sync_augment": True, "augment": True, "synchrony": 4.0, "rate": 1e-3,
    "critic_rate": 4e-4, "r1": 0.05, "inverse_steps": 300,
    "reach": 100.0,  # every query is answered, and counts
}  # fmt: skip
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "garments": CLASSES,
    "garments@0.4": {**CLASSES, "inverse_steps": 0},
    "garments@0.05": {**CLASSES, "sync_dropout": 0.2, "inverse_steps": 0},
    # pairs of single pictures, not of classes: S looks closely, and the prior is the paper's
    "rotated": {
        "latent": 32,
        "asynchrony": "contrast",
        "steps": 4000,
        "reaching": 4.0,
        "sync_steps": 1000,
        "sync_rate": 7e-4,
        "sync_augment": False,
        "sync_r1": 0.1,
        "augment": True,
        "synchrony": 3.0,
        "rate": 2e-3,
        "critic_rate": 8e-4,
        "r1": 0.2,
        "warmup": 100,
        "inverse_steps": 0,
        "reach": 100.0,
    },
    "spoken": {
        **CLASSES,
        "sync_steps": 1000,
        "steps": 800,
        "synchrony": 2.0,
        "anchoring": 1.0,
        "critic_rate": 2e-4,
        "r1": 0.5,
        "inverse_steps": 0,
    },
    "instruments": {**CLASSES, "concepts": 5, "sync_steps": 400, "steps": 400, "batch": 32},
}
ABLATION: Mapping[str, Mapping[str, Any]] = {
    "no_asynchrony": {"asynchrony": "none", "concepts": 0, "latent": 64},
    "normal_prior": {"concepts": 0, "latent": 64},
}
# How queries are inverted, and how far off before that weighs as much as synchrony. Where there
# are concepts, from each of them: which one it is says the class, and S knows that best.
CONCEPTS: tuple[Mapping[str, Any], float] = (
    {"name": "adam", "restarts": 10, "steps": 15, "prior": 5.0},
    16.0,
)
NEAREST: tuple[Mapping[str, Any], float] = ({"name": "adam", "restarts": 6, "steps": 150}, 16.0)
QUICK: Mapping[str, Any] = {
    "steps": 200, "sync_steps": 300, "sync_rate": 1e-3, "sync_augment": False, "batch": 32,
    "inverse_steps": 10, "ema": 0.97,
}  # fmt: skip


def modalities(domains: Sequence[str], hidden: int) -> dict[str, Modality]:
    """The domains' modalities, with generators of that hidden width."""
    registry = Registry.load()
    made: dict[str, Modality] = {}
    for domain in domains:
        name, own = WAYS[domain]
        made[domain] = registry.modality(name)(**own, hidden=hidden)
    return made


def synchronizer(name: str, quick: bool = False, **changes: Any) -> Synchronizer:
    """The bridge of an experiment, with changes where an ablation asks for them."""
    return Synchronizer(**{**SETTINGS[name], **(QUICK if quick else {}), **changes})


def experiment(
    work: Work,
    name: str,
    seed: int,
    domains: Sequence[str],
    records: Callable[[], Records | Table],
    tag: str | None = None,
    **changes: Any,
) -> Translator:
    """The translator of an experiment, out of the folder or trained now and put there.

    Args:
        work: the folder; a training that was stopped goes on from there.
        name: of the settings.
        seed: of weights and order.
        domains: their names.
        records: makes the training data.
        tag: names it in the folder; ``name`` when not given.
        changes: settings changed.
    """
    fresh = synchronizer(name, work.quick, **changes)
    # where concepts say most, a hidden layer makes one prototype of each
    hidden = 0 if fresh.concepts else 512

    def make() -> Translator:
        return Translator(modalities(domains, hidden), fresh)

    translator = trained(work, tag or name, seed, make, records)
    bridge = translator.bridge
    assert isinstance(bridge, Synchronizer)
    search, bridge.choosing = CONCEPTS if bridge.concepts else NEAREST
    bridge.search = search_named(**search)
    return translator
