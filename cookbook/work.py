"""What recipes have in common: a folder of what was trained and measured, and its settings."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import TypeVar

import click
from torch import nn

from transmodal.cookbook.files import file_sum, read_json, read_weights, write_weights
from transmodal.core.atomic import write_atomically
from transmodal.core.errors import SettingError, TrainingError
from transmodal.core.kernel import Interrupted, Kernel, Training
from transmodal.core.kernel.progress import show
from transmodal.core.kernel.settings import Precision
from transmodal.core.records import Records
from transmodal.core.seeds import derived_seed
from transmodal.core.stage import Stage
from transmodal.core.table import Table
from transmodal.core.translator import Translator
from transmodal.registry import Registry

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Work:
    """Where trained parts are kept, and how they are trained.

    Args:
        folder: of weights, states of training and measured values.
        precision: of all training.
        quick: a size for checking that everything runs, not for figures.
        validate: measure on held-back training items, for making choices.
    """

    folder: Path
    precision: Precision = "bf16"
    quick: bool = False
    validate: bool = False

    @classmethod
    def of(
        cls, out: Path, quick: bool, validate: bool = False, precision: Precision = "bf16"
    ) -> Work:
        """The work of a recipe's run; figures to record are never beside, or taken for, others.

        Args:
            out: the recipe's folder.
            quick: a small size of everything, in a folder in it.
            validate: measured on held-back training items, likewise.
            precision: of all training; another than bf16, likewise.
        """
        kinds = {"quick": quick, "validate": validate, precision: precision != cls.precision}
        folder = out / "-".join(kind for kind, is_it in kinds.items() if is_it)
        return cls(folder, precision, quick, validate)

    @property
    def options(self) -> str:
        """What asks for such a folder, to be put behind a command; "" by default."""
        precision = f" --precision {self.precision}" if self.precision != Work.precision else ""
        return " --quick" * self.quick + " --validate" * self.validate + precision

    def translator(self, tag: str, seed: int) -> Path:
        """The folder of a translator, as ``trained`` keeps it."""
        return (self.folder / translator_file(tag, seed)).parent

    def steps(self, full: int) -> int:
        return max(2, full // 40) if self.quick else full

    def keep(
        self, name: str, net: Net, train: Callable[[Net], None], after: Sequence[str] = ()
    ) -> Net:
        """The trained net of that name, out of the folder or trained now and put there.

        It comes back on the CPU, in eval mode, without gradients.

        Raises:
            SettingError: what is there began from other weights (``check_origin``).
            CheckpointError: it is damaged, or of another net.
        """
        path = self.folder / weights_file(name)
        self.check_origin(name, path, after)
        if path.is_file():
            read_weights(path, net)
        else:
            train(net)
            net.cpu()
            write_weights(path, net)
        return net.eval().requires_grad_(False)

    def remember(
        self,
        name: str,
        measure: Callable[[], dict[str, float]],
        of: Sequence[str],
    ) -> dict[str, float]:
        """Measured values, out of the folder or measured now and put there.

        Args:
            name: of the values.
            measure: measures them, having trained first what is not there.
            of: files of what is measured, in the folder.

        Raises:
            SettingError: what is there was measured of other files.
            CheckpointError: it is damaged.
        """
        path = self.folder / "values" / f"{name}.json"
        fresh = not path.is_file()
        values: dict[str, float] = measure() if fresh else read_json(path)
        self._check_measured(name, of, fresh)
        if fresh:
            write_atomically(path, json.dumps(values, indent=2) + "\n")
        return values

    def check_values(self, name: str) -> None:
        """Compare what values were measured of, where that was put down, with what is there now.

        Raises:
            SettingError: it has changed.
        """
        kept = self._origin(f"values-{name}")
        if kept.is_file():
            self._check_measured(name, list(read_json(kept)), fresh=False)

    def _check_measured(self, name: str, of: Sequence[str], fresh: bool) -> None:
        changed = self._changed(f"values-{name}", of, fresh)
        if changed:
            raise SettingError(
                f"{self.folder / 'values' / name}.json was measured of {changed}; delete it to "
                "measure again, or give another folder by --out"
            )

    def _origin(self, name: str) -> Path:
        """The file of the sums of what something came from."""
        return self.folder / "origins" / f"{name}.json"

    def check_origin(self, name: str, path: Path, after: Sequence[str]) -> None:
        """Put down what a training begins from, or compare it with what is there now.

        Args:
            name: of the training.
            path: of what it leaves in the folder.
            after: files of the weights that it begins from, in the folder; none for a new start.

        Raises:
            SettingError: they have changed since, or were never put down.
        """
        if not after:
            return
        state = self.folder / "states" / name
        changed = self._changed(name, after, fresh=not path.exists() and not state.exists())
        if changed:
            raise SettingError(
                f"{path} began from {changed}; delete it, {state} and what was measured of it in "
                "values/ to train it again, or give another folder by --out"
            )

    def _changed(self, name: str, files: Sequence[str], fresh: bool) -> str:
        """The first of these files that is not as it was, in words; "" where none is.

        Their sums are put down for what is fresh.
        """
        for file in files:
            if not (self.folder / file).is_file():
                return f"{file}, which is gone"
        sums = {file: file_sum(self.folder / file) for file in files}
        kept = self._origin(name)
        if fresh:
            write_atomically(kept, json.dumps(sums, indent=2) + "\n")
        known = read_json(kept) if kept.is_file() else {}
        for file, found in sums.items():
            if known.get(file) != found:
                return f"{'another' if file in known else 'an unknown'} {file}"
        return ""

    def train(self, name: str, net: nn.Module, stages: Sequence[Stage], table: Table) -> None:
        """Train by the kernel, resumably, with a progress bar."""
        seed = derived_seed(name) % 2**31
        settings = Training(
            precision=self.precision,
            seed=seed,
            checkpoint=self.folder / "states" / name,
        )
        for event in show(Kernel(net, stages, table, settings).run()):
            if isinstance(event, Interrupted):
                raise TrainingError(f"{event.signal} stopped {name}; run again to go on from there")


def weights_file(name: str) -> str:
    """The file of what ``Work.keep`` keeps under a name, in the folder."""
    return f"weights/{name}.safetensors"


def translator_file(tag: str, seed: int) -> str:
    """The file of a translator's weights, as ``trained`` keeps it, in the work folder."""
    return f"translators/{tag}-{seed}/model.safetensors"


def trained(
    work: Work,
    tag: str,
    seed: int,
    make: Callable[[], Translator],
    records: Callable[[], Records | Table],
    after: Sequence[str] = (),
) -> Translator:
    """A translator, out of the folder or trained now and put there.

    The processor seconds of a training that was not stopped are in ``seconds/tag-seed.json``.

    Args:
        work: the folder; a training that was stopped goes on from there.
        tag: names it in the folder.
        seed: of weights and order.
        make: the translator, untrained, or with the weights it begins from.
        records: the training data.
        after: files of the weights that it begins from (``Work.check_origin``).

    Raises:
        SettingError: the one in the folder has other domains, or a bridge or a domain of other
            settings, or began from other weights.
    """
    name, translator = f"{tag}-{seed}", make()
    place, state = work.translator(tag, seed), work.folder / "states" / name
    work.check_origin(name, place, after)
    if not (place / "config.json").is_file():
        fresh, spent = not state.exists(), work.folder / "seconds" / f"{name}.json"
        if fresh:
            spent.unlink(missing_ok=True)  # of one that was deleted
        started = time.process_time()
        translator.fit(records(), precision=work.precision, seed=seed, checkpoint=state)
        if fresh:
            seconds = json.dumps({"seconds": time.process_time() - started})
            write_atomically(spent, seconds + "\n")
        translator.save(place)
    found = Translator.load(place, Registry.load())
    wanted = {**translator.domains, "bridge": translator.bridge}
    trained_with = {**found.domains, "bridge": found.bridge}
    if trained_with.keys() != wanted.keys():
        raise SettingError(
            f"{place} has the domains {', '.join(found.domains)}, and the recipe's are "
            f"{', '.join(translator.domains)}; delete it, {state} and what was measured of it in "
            "values/, or give another folder by --out"
        )
    for part, here in trained_with.items():
        if type(here) is not type(wanted[part]):
            raise SettingError(
                f"{place} was trained as another kind than the recipe's: {part} is "
                f"{type(here).__name__}, not {type(wanted[part]).__name__}; delete it, {state} and "
                "what was measured of it in values/, or give another folder by --out"
            )
        settings = wanted[part].settings()
        for key, value in here.settings().items():
            if value != settings[key]:
                raise SettingError(
                    f"{place} was trained with other settings than the recipe's: {part} has {key} "
                    f"{shortened(value)}, not {shortened(settings[key])}; delete it, {state} "
                    "and what was measured of it in values/, or give another folder by --out"
                )
    return found


def remembered(folder: Path, stem: str, seeds: Sequence[int]) -> dict[int, dict[str, float]]:
    """Seed -> the values in ``stem-seed.json``, as far as they were measured.

    Raises:
        CheckpointError: a file is damaged.
    """
    paths = {seed: folder / f"{stem}-{seed}.json" for seed in seeds}
    return {seed: read_json(path) for seed, path in paths.items() if path.is_file()}


def say(what: str, values: Mapping[str, float]) -> None:
    """Print measured values on a line."""
    click.echo(f"{what}: " + ", ".join(f"{k} {v:.4g}" for k, v in values.items()))
