"""Translator: domains and a bridge, trained, used, evaluated and saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from . import saved
from .bridge import Bridge
from .code import Code
from .config import check_number
from .errors import DataError, ReachError, SettingError, TrainingError, UnknownNameError
from .health import advised
from .kernel import Kernel, Training
from .kernel.events import Event, Interrupted, Progress
from .kernel.settings import Precision
from .modality import Modality
from .progress import bar
from .records import Records
from .seeds import derived_seed, seeded
from .signal import Signal
from .stage import UNLABELLED
from .table import Table

if TYPE_CHECKING:
    from .evaluation.card import Card
    from .evaluation.judge import Judge

BATCH = 256  # items translated or sampled at a time
NAMES = nn.ModuleDict()  # bridges keep a domain's parts in one, under its name
T = TypeVar("T")


class Translator:
    """Domains joined by a bridge: any source into any target.

    Args:
        domains: name -> Modality. Domains given the same object share its subnets under bridges
            that have subnets by modality (the bridging VAE has a latent model by domain).
        bridge: the strategy that ties them.

    Raises:
        SettingError: fewer than one domain, a name that is no file name or an attribute of torch's
            modules, a bridge in use.

    >>> translator = Translator({"digits": Image(size=28), "spoken": Speech()}, BridgingVAE())
    >>> translator.fit(Records.from_manifest("train.csv"), precision="bf16")
    >>> waves = translator.translate(pictures, source="digits", target="spoken")
    """

    def __init__(self, domains: Mapping[str, Modality], bridge: Bridge) -> None:
        if not domains:
            raise SettingError("a translator needs domains, {name: modality}")
        for name, modality in domains.items():
            if not name.replace("_", "").replace("-", "").isalnum():
                raise SettingError(f"a domain's name is letters, digits, '-' and '_', not {name!r}")
            if hasattr(NAMES, name):
                raise SettingError(
                    f"a domain cannot be called {name!r}, a name torch's modules have a use for; "
                    f"call it {name + '_'!r}, or something else"
                )
            if not isinstance(modality, Modality):
                raise SettingError(f"the domain {name!r} needs a Modality, not {modality!r}")
        if not isinstance(bridge, Bridge):
            raise SettingError(f"bridge needs a Bridge object, not {bridge!r}; call the class")
        if bridge.domains:
            raise SettingError(f"this {bridge.name!r} bridge joins other domains already; make one")
        self.domains = dict(domains)
        self.bridge = bridge
        self.classes: tuple[str, ...] = ()
        self.history: list[Progress] = []
        self.training: dict[str, Any] = {}
        self._seen: Table | None = None  # what fit learned from, for evaluate's judges

    def __repr__(self) -> str:
        return f"Translator({self.domains!r}, {self.bridge!r})"

    @property
    def connected(self) -> bool:
        """Whether the bridge's modules are built, that is, after fit, connect or load."""
        return bool(self.bridge.domains)

    def connect(self, classes: Sequence[str] = (), *, seed: int = 0) -> None:
        """Build the modules with random weights; ``fit`` does it where it was not done.

        Args:
            classes: names of the classes of the labels, in order.
            seed: of the weights.

        Raises:
            SettingError: the bridge is connected already.
        """
        if self.connected:
            raise SettingError("this translator is connected already; make a new one")
        self.classes = tuple(classes)
        with seeded(derived_seed(seed, "weights")):
            self.bridge.connect(self.domains, len(self.classes))
        self.bridge.eval()

    # -- learning -------------------------------------------------------------
    def fit(
        self,
        records: Records | Table,
        *,
        precision: Precision = "fp32",
        device: str = "auto",
        seed: int = 0,
        checkpoint: str | Path | None = None,
        stream: bool = False,
        progress: bool = True,
        watch: Callable[[Event], None] | None = None,
        **training: Any,
    ) -> Translator:
        """Train every stage of the bridge.

        Args:
            records: the training data.
            precision: ``"fp32"``, ``"bf16"`` or ``"fp16"`` (the last wants a GPU).
            device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
            seed: of the weights, the order of the data and the noise.
            checkpoint: folder that keeps the state of training. A run that was stopped, by
                whatever means, goes on from there when called again, to the same weights.
            stream: leave the records' files on disk and read them as they are drawn.
            progress: show a progress bar.
            watch: called with every event of the training.
            training: more settings of ``core.kernel.Training``.

        Raises:
            DataError: the records are not what the bridge needs.
            CheckpointError: the checkpoint is damaged or of another training.
            TrainingError: gradients stay non-finite, or a signal stopped the training (with a
                checkpoint folder, which then holds its state).
        """
        table = records
        if isinstance(records, Records):
            classes = self.classes if self.connected else None
            table = records.table(self.domains, classes, stream=stream)
        assert isinstance(table, Table)
        if not self.connected:
            self.connect(table.classes, seed=seed)
        self._check_needs(table)
        self._seen = table
        settings = Training(
            precision=precision,
            device=device,
            seed=seed,
            checkpoint=Path(checkpoint) if checkpoint is not None else None,
            **training,
        )
        kernel = Kernel(self.bridge, self.bridge.stages(), table, settings)
        events: Iterator[Event] = advised(kernel.run())
        if progress:
            from .kernel.progress import show

            events = show(events)
        for event in events:
            if isinstance(event, Progress):
                self.history.append(event)
            if watch is not None:
                watch(event)
            if isinstance(event, Interrupted):
                raise TrainingError(
                    f"{event.signal} stopped the training in stage {event.stage!r} at step "
                    f"{event.step}; call again with the same checkpoint folder to go on from there"
                )
        self.training = {
            "precision": precision,
            "seed": seed,
            "items": {domain: len(table.column(domain)) for domain in self.domains},
            "labelled": {
                domain: int((table.column(domain).labels != UNLABELLED).sum())
                for domain in self.domains
            },
            "steps": {stage.name: stage.steps for stage in self.bridge.stages()},
        }
        return self

    def _check_needs(self, table: Table) -> None:
        needs = self.bridge.needs
        for domain in self.domains:
            labelled = (table.column(domain).labels != UNLABELLED).any()
            if needs.labels and not labelled:
                raise DataError(
                    f"the bridge {self.bridge.name!r} needs labels, and no item of {domain!r} has "
                    f"one. {needs.advice}"
                )
        if needs.pairs:
            rows = [set(table.column(domain).rows.tolist()) for domain in self.domains]
            if not set.intersection(*rows):
                raise DataError(
                    f"the bridge {self.bridge.name!r} needs pairs, and no record holds all of "
                    f"{', '.join(self.domains)}. {needs.advice}"
                )

    # -- using ------------------------------------------------------------------
    def translate(
        self, items: Sequence[Any], source: str, target: str, *, progress: bool = True
    ) -> list[Any]:
        """Items of one domain into items of another.

        Args:
            items: of the source's modality (or paths of files that hold them).
            source, target: names of domains.
            progress: show a progress bar where standard error is a terminal.

        Raises:
            UnknownNameError: no such domain.
            DataError: an item cannot be used.
            ReachError: the bridge searches, and finds nothing like an item; names the positions.
        """
        modality = self._modality(source)
        signal = modality.collate([modality.load(item) for item in items])
        made = self.translate_signal(signal, source, target, progress=progress)
        return self._modality(target).split(made)

    def translate_signal(
        self, signal: Signal, source: str, target: str, *, progress: bool = False
    ) -> Signal:
        """``translate`` from signal to signal, without files or items."""
        self._modality(source), self._modality(target)
        with bar(f"{source} -> {target}", len(signal), progress) as show:

            def translated(part: Signal, start: int) -> Signal:
                def tick(done: int, steps: int) -> None:
                    show(start + len(part) * done / steps)

                code = self.bridge.encode_telling(part, source, tick)
                made = self.bridge.decode(code, target).to("cpu")
                show(start + len(part))
                return made

            return Signal.cat(self._over(signal, translated))

    def sample(
        self, n: int, domains: Sequence[str] | None = None, *, seed: int = 0
    ) -> dict[str, list[Any]]:
        """Joint samples, n of each domain: item i of every domain belongs together.

        Raises:
            UnsupportedError: the bridge has no prior.
            SettingError: n is below 1.
        """
        check_number("sample", "n", n, 1, integer=True)
        self._require_trained()
        names = list(domains or self.domains)
        for name in names:
            self._modality(name)
        with seeded(seed), torch.no_grad():
            parts = [
                {name: x.to("cpu") for name, x in self.bridge.sample(count, names).items()}
                for count in (min(BATCH, n - start) for start in range(0, n, BATCH))
            ]
        made = {name: Signal.cat([part[name] for part in parts]) for name in names}
        return {name: self.domains[name].split(made[name]) for name in names}

    def embed(self, items: Sequence[Any], domain: str) -> Tensor:
        """``[b d]`` vectors of the common space, comparable across domains."""
        modality = self._modality(domain)
        signal = modality.collate([modality.load(item) for item in items])
        return torch.cat(
            self._over(signal, lambda part, start: self.bridge.embed(part, domain).cpu())
        )

    def classify(self, items: Sequence[Any], domain: str) -> list[str]:
        """The class of each item, by the bridge's own classifier (domain adaptation).

        Raises:
            UnsupportedError: the bridge has no classifier.
        """
        modality = self._modality(domain)
        signal = modality.collate([modality.load(item) for item in items])
        best = self._over(signal, lambda part, start: self.bridge.classify(part, domain).argmax(1))
        return [self.classes[k] for k in torch.cat(best).tolist()]

    def interpolate(
        self, first: Any, last: Any, source: str, target: str, steps: int = 8
    ) -> list[Any]:
        """Items of the target on the way from one item of the source to another.

        ``walk`` says which way that is.
        """
        return self.walk(steps, [target], ends=(first, last), source=source)[target]

    def walk(
        self,
        steps: int = 8,
        domains: Sequence[str] | None = None,
        *,
        ends: tuple[Any, Any] | None = None,
        source: str | None = None,
        seed: int = 0,
    ) -> dict[str, list[Any]]:
        """What the domains make of a way through the common space: item k of each belongs together.

        The way is ``sqrt(1 - p) a + sqrt(p) b``, p from 0 to 1, which keeps the variance of two
        independent normal vectors (Latent Domain Transfer sec. 4.3).

        Args:
            steps: items in each domain, both ends among them, 2 or more.
            domains: their names; all when not given.
            ends: two items of ``source`` to go between; two draws of the prior when not given.
            source: the domain of ``ends``.
            seed: of the draws.

        Raises:
            UnsupportedError: no ends are given, and the bridge has no prior.
            SettingError: fewer than 2 steps; ends without their source, or a source without ends.
            UnknownNameError: no such domain.
            DataError: an end cannot be used.
        """
        check_number("walk", "steps", steps, 2, integer=True)
        if (ends is None) != (source is None):
            raise SettingError(
                f"walk: ends and source go together, not ends={ends!r} with source={source!r}"
            )
        self._require_trained()
        names = list(domains or self.domains)
        for name in names:
            self._modality(name)
        with seeded(seed), torch.no_grad():
            if ends is not None and source is not None:
                modality = self._modality(source)
                signal = modality.collate([modality.load(end) for end in ends])
                code = self.bridge.encode(signal.to(self._device()), source)
            else:
                code = self.bridge.prior(2)
            way = _between(code, steps)
            made = {name: self.bridge.decode(way, name).to("cpu") for name in names}
        return {name: self.domains[name].split(made[name]) for name in names}

    def evaluate(
        self,
        records: Records | Table,
        *,
        train: Records | Table | None = None,
        judges: Mapping[str, Judge] | None = None,
        seed: int = 0,
    ) -> Card:
        """Measure every translation on held-out labelled records.

        Args:
            records: test data with labels.
            train: labelled data to train the judges on; what ``fit`` learned from when not given.
            judges: a classifier per domain, trained on real data; trained here when not given.
            seed: of the judges.

        Raises:
            DataError: no labels, or nothing to train judges on.
        """
        from .evaluation.measure import measure

        self._require_trained()
        if not self.classes:
            raise DataError(
                "this translator knows no classes, so transfer accuracy has no meaning; "
                "evaluate one that was fitted on labelled records"
            )
        return measure(self, self._table(records), self._judged(train, judges, seed))

    def _table(self, records: Records | Table) -> Table:
        if isinstance(records, Records):
            return records.table(self.domains, self.classes)
        return records

    def _judged(
        self,
        train: Records | Table | None,
        judges: Mapping[str, Judge] | None,
        seed: int,
    ) -> Mapping[str, Judge]:
        from .evaluation.judge import train_judges

        if judges is not None:
            return judges
        table = self._table(train) if train is not None else self._seen
        if table is None:
            raise DataError(
                "evaluate needs labelled real data to train its judges on: pass train=records "
                "(the training part), or judges={domain: Judge}"
            )
        return train_judges(self.domains, table, seed=seed)

    # -- on disk ----------------------------------------------------------------
    def save(self, folder: str | Path, card: Card | None = None) -> Path:
        """Write config.json and model.safetensors, and the card (README.md, card.json) if given.

        Raises:
            CheckpointError: the folder cannot be written; what was there stays as it was.
        """
        self._require_trained()
        return saved.write(self, Path(folder), card)

    @classmethod
    def load(cls, folder: str | Path, registry: saved.Finder) -> Translator:
        """Read what ``save`` wrote.

        Args:
            folder: of the translator.
            registry: finds classes by name, ``Registry.load()``.

        Raises:
            CheckpointError: a file is missing, damaged or foreign; names it.
            UnknownNameError: the modality or bridge it was made with is not installed.
        """
        return saved.read(cls, Path(folder), registry)

    # -- helpers ----------------------------------------------------------------
    def _over(self, signal: Signal, function: Callable[[Signal, int], T]) -> list[T]:
        """What the function makes of each slice of a signal, on the device, and its start."""
        self._require_trained()
        device = self._device()
        made: list[T] = []
        with torch.no_grad():
            for start in range(0, len(signal), BATCH):
                try:
                    made.append(function(signal[start : start + BATCH].to(device), start))
                except ReachError as error:
                    raise error.after(start) from None
        return made

    def _device(self) -> torch.device:
        return next(self.bridge.parameters()).device

    def _modality(self, domain: str) -> Modality:
        if domain not in self.domains:
            raise UnknownNameError(
                f"no domain {domain!r} here; this translator joins {', '.join(self.domains)}"
            )
        return self.domains[domain]

    def _require_trained(self) -> None:
        if not self.connected:
            raise SettingError("this translator has no weights yet; call fit, or Translator.load")


def _between(code: Code, steps: int) -> Code:
    """Codes on the way from the first to the second of two; where either has a token, they do."""
    a, b = code.tokens
    p = torch.linspace(0, 1, steps, device=a.device)[:, None, None]
    mask = None if code.mask is None else code.mask.any(0).expand(steps, -1)
    return Code((1 - p).sqrt() * a + p.sqrt() * b, mask)
