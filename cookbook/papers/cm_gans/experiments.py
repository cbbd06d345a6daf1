"""What is trained and measured, each once: values are kept in the work folder, query by query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from transmodal.cookbook.papers.cm_gans import measure
from transmodal.cookbook.papers.cm_gans.baselines import Learned
from transmodal.cookbook.papers.cm_gans.measure import Reading
from transmodal.cookbook.papers.cm_gans.methods import (
    METHODS,
    OURS,
    Choice,
    choose,
    chosen,
    common_space,
    keep,
)
from transmodal.cookbook.papers.cm_gans.sets import Set, load

DATA = ("wikipedia", "emoji", "digits")
QUICK: dict[str, Any] = {"steps": 30}

# The paper's Tables IV, V and VI, and ours: row -> what differs from the whole.
NO_GAME = {"inter": 0.0, "intra": 0.0}
ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "without_ws_sc": {"shared": False, "semantic": 0.0},
    "with_ws": {"semantic": 0.0},
    "with_sc": {"shared": False},
    "only_inter": {"intra": 0.0},
    "cae": NO_GAME,
    "full": {},
    "literal": {"mismatch": "literal"},
}


SEMANTIC = "-semantic"  # the ending of rows that are read by the semantic head


@lru_cache
def data(name: str, validate: bool, quick: bool) -> Set:
    """A set, made once: its features may be those of networks that have to be trained."""
    return load(name, validate, quick)


@dataclass(frozen=True)
class Run:
    """Trainings and what was measured of them.

    Args:
        work: folder of measured values.
        quick: a small size of everything, to see that it runs.
    """

    work: Path
    quick: bool = False

    @cached_property
    def values(self) -> Path:
        """Where average precisions are kept."""
        return self.work / ("quick" if self.quick else "full")

    def set(self, name: str) -> Set:
        """A set with its test part."""
        return data(name, False, self.quick)

    def path(self, name: str, row: str, seed: int) -> Path:
        """Where one training's values are kept."""
        return self.values / f"{name}-{row}-{seed}.npz"

    def choose(self, name: str, path: Path, only: tuple[str, ...]) -> Iterator[tuple[str, Choice]]:
        """Let methods choose their settings on validation items, and note that in a file."""
        for key in only:
            if not METHODS[key].grid:
                continue
            choice = choose(METHODS[key], data(name, True, self.quick))
            keep(path, name, key, choice)
            yield key, choice

    def compare(self, name: str, only: tuple[str, ...], seed: int) -> Iterator[tuple[str, float]]:
        """Every method on a set by what it chose; its average bi-modal MAP on test items."""
        for key in only:
            yield key, self._measured(name, seed, [key], partial(self.learn, name, key))

    def learn(self, name: str, method: str, seed: int) -> Learned:
        """A method trained on a set by what it chose."""
        settings = self._settings(name, method)
        return METHODS[method].learn(self.set(name).training, seed, **settings)

    def _settings(self, name: str, method: str) -> dict[str, Any]:
        """What a method chose on a set."""
        short = QUICK if self.quick and "steps" in tunable(method) else {}
        return chosen(name, method).settings | short

    def ablate(self, name: str, seed: int) -> Iterator[tuple[str, float]]:
        """Every row of the paper's ablations, by s, and by the semantic head where it has one.

        The paper's terms alone: without our agreement.
        """
        for row in ABLATIONS:
            rows = [f"ablation-{row}"]
            settings, _ = self._asked(name, rows[0])
            if settings.get("semantic", 1.0):
                rows.append(f"{rows[0]}{SEMANTIC}")
            learn = partial(self._ours, name, settings=settings)
            yield row, self._measured(name, seed, rows, learn)

    def _ours(self, name: str, seed: int, settings: Mapping[str, Any]) -> Learned:
        return common_space(self.set(name).training, seed, **settings)

    def _asked(self, name: str, row: str) -> tuple[Mapping[str, Any], Reading]:
        """What a row is trained by, and how it is read: a method's, or an ablation's."""
        if not row.startswith("ablation-"):
            return self._settings(name, row), chosen(name, row).reading
        changes = ABLATIONS[row.removeprefix("ablation-").removesuffix(SEMANTIC)]
        settings = self._settings(name, OURS) | {"agreement": 0.0, **changes}
        return settings, Reading(semantic=row.endswith(SEMANTIC))

    def read(self, name: str, row: str, seed: int) -> measure.Precisions | None:
        """What was measured of a training; None where nothing was.

        Raises:
            SettingError: it was measured by other settings than are asked for now.
            CheckpointError: it is damaged.
        """
        path = self.path(name, row, seed)
        return measure.read(path, self._by(name, row)) if path.is_file() else None

    def _by(self, name: str, row: str) -> str:
        settings, reading = self._asked(name, row)
        return f"{dict(sorted(settings.items()))}, {reading}"

    def _measured(
        self, name: str, seed: int, rows: Sequence[str], learn: Callable[[int], Learned]
    ) -> float:
        """The average bi-modal MAP by the first row's reading; raises as ``read``."""
        there = {row: self.read(name, row, seed) for row in rows}
        kept = {row: found for row, found in there.items() if found}
        if len(kept) < len(rows):
            tested, learned = self.set(name), learn(seed)
            for row in rows:
                found = measure.vectors(learned, tested, self._asked(name, row)[1])
                kept[row] = measure.precisions(found, tested.truth)
                measure.save(self.path(name, row, seed), kept[row], self._by(name, row))
        return measure.bimodal(kept[rows[0]])


def tunable(method: str) -> tuple[str, ...]:
    """The names of a method's settings."""
    import inspect

    named = tuple(inspect.signature(METHODS[method].learn).parameters)
    return (*named, "steps") if method == OURS else named
