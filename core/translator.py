"""Translator: domains and a bridge, trained, evaluated and saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from . import saved
from .bridge import Bridge
from .errors import DataError, SettingError, TrainingError, TransmodalError
from .health import advised
from .joined import Joined
from .kernel import Kernel, Training
from .kernel.events import Event, Interrupted, Progress
from .kernel.settings import Precision
from .modality import Modality
from .records import Records
from .seeds import derived_seed, seeded
from .stage import UNLABELLED
from .table import Table

if TYPE_CHECKING:
    from .evaluation.card import Card
    from .evaluation.judge import Judge

NAMES = nn.ModuleDict()  # bridges keep a domain's parts in one, under its name


class Translator(Joined):
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
            if not (isinstance(name, str) and name.replace("_", "").replace("-", "").isalnum()):
                raise SettingError(f"a domain's name is letters, digits, '-' and '_', not {name!r}")
            if hasattr(NAMES, name):
                raise SettingError(
                    f"a domain cannot be called {name!r}, a name torch's modules have a use for; "
                    f"call it {name + '_'!r}, or something else"
                )
            if not isinstance(modality, Modality):
                raise SettingError(f"the domain {name!r} needs a Modality, not {modality!r}")
            if not isinstance(getattr(modality, "name", None), str):
                raise SettingError(
                    f"{type(modality).__name__}, of the domain {name!r}, has no `name`, by which a "
                    "saved translator finds it; give the class one"
                )
        if not isinstance(bridge, Bridge):
            raise SettingError(f"bridge needs a Bridge object, not {bridge!r}; call the class")
        if bridge.domains:
            raise SettingError(f"this {bridge.name!r} bridge joins other domains already; make one")
        self.domains = dict(domains)
        self.bridge = bridge
        self.classes = ()
        self.history: list[Progress] = []
        self.training: dict[str, Any] = {}
        self._seen: Table | None = None  # what fit learned from, for evaluate's judges

    def __repr__(self) -> str:
        return f"Translator({self.domains!r}, {self.bridge!r})"

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
        with seeded(derived_seed(seed, "weights")):
            self.bridge.connect(self.domains, len(classes))
        self.classes = tuple(classes)
        self.bridge.eval()

    def with_settings(self, **changes: Any) -> Translator:
        """These weights under a bridge of other settings, to ``fit`` on: more steps, a lower rate.

        Modalities are shared; what the bridge adopted has to be adopted again, or is trained.

        Raises:
            SettingError: a setting is wrong, or asks for other parts or sizes.
        """
        self._require_trained()
        return saved.twin(self, changes)

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
        settings = Training(
            precision=precision,
            device=device,
            seed=seed,
            checkpoint=Path(checkpoint) if checkpoint is not None else None,
            **training,
        )
        table = self._table(records, stream)
        fresh = not self.connected
        if fresh:
            self.connect(table.classes, seed=seed)
        begun = False
        try:
            self._check_needs(table)
            kernel = Kernel(self.bridge, self.bridge.stages(), table, settings)
            events = advised(kernel.run())
            if progress:
                from .kernel.progress import show

                events = show(events)
            with closing(events):  # now, whoever keeps an error: the kernel leaves all in order
                for event in events:
                    begun, self._seen = True, table
                    if isinstance(event, Progress):
                        self.history.append(event)
                    if watch is not None:
                        watch(event)
                    if isinstance(event, Interrupted):
                        raise TrainingError(
                            f"{event.signal} stopped the training in stage {event.stage!r} at step "
                            f"{event.step}; call again with the same checkpoint folder to go on "
                            "from there"
                        )
        except TransmodalError:
            if fresh and not begun:  # what is given next may have other classes, another seed
                self.bridge.disconnect()
                self.classes = ()
            raise
        self.training = {
            "precision": precision,
            "seed": seed,
            "items": {d: len(table.column(d)) for d in self.domains},
            "labelled": {
                d: int((table.column(d).labels != UNLABELLED).sum()) for d in self.domains
            },
            "steps": {stage.name: stage.steps for stage in self.bridge.stages()},
        }
        if self.bridge.begun_from:
            self.training["begun_from"] = self.bridge.begun_from
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
        for group in self.bridge.together() if needs.pairs else ():
            rows = [set(table.column(domain).rows.tolist()) for domain in group]
            if not set.intersection(*rows):
                raise DataError(
                    f"the bridge {self.bridge.name!r} needs pairs, and no record holds all of "
                    f"{', '.join(group)}. {needs.advice}"
                )

    def evaluate(
        self,
        records: Records | Table,
        *,
        train: Records | Table | None = None,
        judges: Mapping[str, Judge] | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> Card:
        """Measure every translation the bridge makes on held-out records.

        What is made of items with labels is read by judges. Where records hold source and
        target, what is made is compared with the real target by its modality's ``metrics``.
        Translations that draw (a text's ``sampling``) do so by torch's global generator.

        Args:
            records: test data, with labels, pairs or both.
            train: labelled data to train the judges on; what ``fit`` learned from when not given.
                Not read where this translator knows no classes.
            judges: a classifier per domain, trained on real data; trained here when not given.
            seed: of the judges, and of the records that chance compares with.
            progress: show a progress bar for each judge that is trained here.

        Raises:
            DataError: neither labels nor pairs, or nothing to train judges on.
        """
        from .evaluation.measure import measure

        self._require_trained()
        table = self._held(records)
        learned = self._seen
        if train is not None and judges is None and self.classes:
            learned = self._table(train)
        return measure(self, table, train=learned, judges=judges, seed=seed, progress=progress)

    def _table(self, records: Records | Table, stream: bool = False) -> Table:
        """As a table of this translator's classes; of its own, where there are none yet.

        Raises:
            DataError: it is neither, or is numbered by other classes.
        """
        if isinstance(records, Records):
            classes = self.classes if self.connected else None
            return records.table(self.domains, classes, stream=stream)
        if not isinstance(records, Table):
            raise DataError(
                "data are Records (Records.from_arrays, from_manifest, from_folders) or a Table, "
                f"not a {type(records).__name__}"
            )
        if self.classes and records.classes and tuple(records.classes) != self.classes:
            raise DataError(
                f"the table counts the classes {', '.join(records.classes)}, this translator "
                f"{', '.join(self.classes)}; make it by records.table(translator.domains, "
                "translator.classes)"
            )
        return records

    def _held(self, records: Records | Table) -> Table:
        """Test data as a table; where this translator knows no classes, labels mean nothing."""
        if isinstance(records, Records) and not self.classes:
            records = replace(records, labels=(None,) * len(records))
        return self._table(records)

    # -- on disk ----------------------------------------------------------------
    def save(self, folder: str | Path, card: Card | None = None) -> Path:
        """Write config.json and model.safetensors, and the card (README.md, card.json) if given.

        Raises:
            CheckpointError: the folder cannot be written; what was there stays as it was.
            SettingError: the domains are not those the bridge joins; likewise.
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
            SettingError: these do not take the settings it was made with.
        """
        return saved.read(cls, Path(folder), registry)
