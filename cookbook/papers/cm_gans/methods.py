"""Every method by its name, the settings it may choose from, and what it chose."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from transmodal.cookbook.papers.cm_gans.baselines import (
    Embed,
    Learned,
    Training,
    cca,
    kernel_cca,
)
from transmodal.cookbook.papers.cm_gans.baselines_deep import (
    corr_ae,
    dcca,
    deep_sm,
    dscmr,
    info_nce,
)
from transmodal.cookbook.papers.cm_gans.measure import (
    FORMS,
    Reading,
    between_map,
    vectors,
)
from transmodal.cookbook.papers.cm_gans.sets import Set
from transmodal.core.bridges.common_space import CommonSpace
from transmodal.core.errors import DataError
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator
from transmodal.registry import Registry

CHOICES = Path(__file__).parent / "choices.json"
OURS = "cm_gans"


def common_space(train: Training, seed: int, **settings: Any) -> Learned:
    """The bridge, by its own defaults but for these settings.

    ``common`` is s, compared as the paper does; ``semantic`` the semantic head's probabilities
    (of which the bridge's ``embed`` takes the classes' shares, by default).
    """
    registry = Registry.load()
    features = registry.modality("features")
    domains = {d: features(size=x.shape[1]) for d, x in train.features.items()}
    bridge = registry.bridge("common-space")(**settings)
    table = Table(
        {d: Memory(Signal(x), train.labels) for d, x in train.features.items()},
        tuple(str(c) for c in range(train.classes)),
    )
    Translator(domains, bridge).fit(table, progress=False, seed=seed, device="cpu")

    def through(domain: str, how: Callable[[Signal, str], Tensor]) -> Embed:
        def embed(x: Tensor) -> Tensor:
            with torch.no_grad():
                return how(Signal(x), domain)

        return embed

    return Learned(
        {d: through(d, lambda x, d: bridge.encode(x, d).vector) for d in domains},
        {
            d: through(d, lambda x, d: bridge.classify(x, d).softmax(1))
            for d in (domains if bridge.head is not None else ())
        },
    )


@dataclass(frozen=True)
class Method:
    """A method and the settings it may choose from on validation items.

    Args:
        learn: from training features and a seed to embeddings.
        grid: setting -> values to try.
        forms: how its vectors may be compared.
    """

    learn: Callable[..., Learned]
    grid: Mapping[str, tuple[Any, ...]]
    forms: tuple[str, ...] = FORMS

    def candidates(self) -> Iterator[dict[str, Any]]:
        """Every combination of settings."""
        for values in product(*self.grid.values()):
            yield dict(zip(self.grid, values, strict=True))


def published(train: Training, seed: int) -> Learned:
    """The bridge by its published settings."""
    return common_space(train, seed, **CommonSpace.published["wikipedia"])


DROPOUTS = (0.2, 0.5, 0.8)
METHODS = {
    "cca": Method(cca, {"size": (5, 9)}),
    "kcca": Method(kernel_cca, {"kept": (20, 60)}),
    "deep_sm": Method(deep_sm, {"dropout": DROPOUTS}),
    "corr_ae": Method(corr_ae, {"dropout": DROPOUTS}),
    "dcca": Method(dcca, {"dropout": DROPOUTS}),
    "dscmr": Method(dscmr, {"dropout": DROPOUTS}),
    "info_nce": Method(info_nce, {"dropout": DROPOUTS}),
    OURS: Method(common_space, {"dropout": (0.2, 0.5), "agreement": (1.0, 1.5)}),
    "published": Method(published, {}),
}


@dataclass(frozen=True)
class Choice:
    """What a method chose on a data set's validation items.

    Args:
        settings: of the method.
        reading: how its vectors are compared.
        validation: average bi-modal MAP there.
    """

    settings: dict[str, Any]
    reading: Reading
    validation: float


def choose(method: Method, data: Set, seeds: tuple[int, ...] = (100, 101)) -> Choice:
    """The best of a method's settings and readings on validation items.

    Args:
        method: which.
        data: whose test part is the validation items.
        seeds: over which the MAP is averaged.
    """
    found: list[Choice] = []
    for settings in method.candidates():
        learned = [method.learn(data.training, seed, **settings) for seed in seeds]
        for semantic in (False, True) if learned[0].semantic else (False,):
            for form in method.forms:
                reading = Reading(semantic, form)
                each = [between_map(vectors(net, data, reading), data.truth) for net in learned]
                found.append(Choice(settings, reading, sum(each) / len(each)))
    return max(found, key=lambda choice: choice.validation)


def chosen(name: str, method: str) -> Choice:
    """What a method chose on a data set, out of ``choices.json``.

    Raises:
        DataError: it has not chosen yet.
    """
    if not METHODS[method].grid:
        return Choice({}, Reading(), float("nan"))
    entry = json.loads(CHOICES.read_text()).get(name, {}).get(method)
    if entry is None:
        raise DataError(f"{method} has chosen nothing on {name} yet; run choose for it first")
    return Choice(entry["settings"], Reading(**entry["reading"]), entry["validation"])


def keep(path: Path, name: str, method: str, choice: Choice) -> None:
    """Put a choice into the file."""
    from transmodal.core.atomic import write_atomically

    entries = json.loads(path.read_text()) if path.is_file() else {}
    entries.setdefault(name, {})[method] = asdict(choice)
    write_atomically(path, json.dumps(entries, indent=2, sort_keys=True) + "\n")
