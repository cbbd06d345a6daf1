"""A recipe: the call that trains a translator, written down in TOML.

A modality may have to learn of the training items before it can be made (``Modality.learner``).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.config import build
from ...core.errors import DataError, SettingError, TransmodalError
from ..registry import Registry

if TYPE_CHECKING:
    from ...core.bridge import Bridge
    from ...core.modality import Modality
    from ...core.records import Records
    from ...core.translator import Translator

SECTIONS = ("domains", "bridge", "records", "training")
START = "start"  # instead of domains: the folder of a translator to go on from
RECORDS = ("manifest", "inline", "folders", "paired", "split", "stream")


@dataclass(frozen=True)
class Recipe:
    """What a recipe file says, built and checked.

    Args:
        translator: untrained, or the one to go on from.
        records: reads the records.
        fit: keywords of ``Translator.fit``.
        out: folder the translator is saved in.
    """

    translator: Translator
    records: Callable[[], Records]
    fit: dict[str, Any]
    out: Path


@dataclass(frozen=True, eq=False)
class Learner:
    """A modality that is to learn of its training items first."""

    make: Callable[[Iterable[Any]], Modality]


def read_recipe(path: Path, registry: Registry, out: Path | None = None) -> Recipe:
    """The recipe in a file. Paths inside it are relative to its folder.

    Args:
        path: of the file.
        registry: finds its modalities and bridge.
        out: the folder to save in, and to keep the state of training in, instead of the recipe's.

    Raises:
        SettingError: no TOML, or not a recipe: all that is wrong, each with its key; a domain is to
            learn of records that cannot be read.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SettingError(f"{path} cannot be read as TOML: {error}") from error
    from ...core.translator import Translator

    reader = Reader(path.parent, registry)
    reader.known("", content, (*SECTIONS, START))
    fit, folder = reader.training(reader.section(content, "training"), out)
    section = reader.section(content, "records")
    if "stream" in section:
        fit["stream"] = section["stream"]
    if START in content:
        begun = reader.start(content, folder)
        records = reader.records(section, tuple(begun.domains) if begun else ())
        reader.refuse(path)
    else:
        domains = reader.domains(reader.section(content, "domains"))
        bridge = reader.bridge(reader.section(content, "bridge"))
        records = reader.records(section, tuple(domains))
        reader.refuse(path)
        made = reader.learned(domains, records)
        reader.refuse(path)
        begun = None if bridge is None else Translator(made, bridge)
    assert begun is not None  # else there are errors
    return Recipe(begun, records, fit, folder)


class Reader:
    """Reads the sections of a recipe, and goes on after an error to find the others."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder = folder
        self.registry = registry
        self.errors: list[str] = []

    @contextmanager
    def at(self, key: str) -> Iterator[None]:
        """Keep an error raised inside, with the key it belongs to."""
        try:
            yield
        except (TransmodalError, TypeError) as error:
            said = str(error)  # of a setting, it begins with the key already
            self.errors.append(said if said.startswith(f"{key}: ") else f"{key}: {said}")

    def refuse(self, path: Path) -> None:
        """Raise the errors there are."""
        if self.errors:
            listed = "\n".join(f"  {error}" for error in self.errors)
            raise SettingError(f"{path} is not a recipe that can run:\n{listed}")

    def known(self, key: str, section: Mapping[str, Any], names: tuple[str, ...]) -> None:
        """Refuse keys that mean nothing."""
        for name in section:
            if name not in names:
                where = f"{key}.{name}" if key else name
                self.errors.append(f"{where}: unknown; the keys here are {', '.join(names)}")

    def section(self, content: Mapping[str, Any], name: str) -> dict[str, Any]:
        """A table of the file."""
        section = content.get(name)
        if isinstance(section, dict) and section:
            return section
        if section is not None or name != "training":
            self.errors.append(f"{name}: missing, or no table; write a section [{name}]")
        return {}

    def start(self, content: Mapping[str, Any], out: Path) -> Translator | None:
        """``start``: a translator to go on from; ``[bridge]`` then has settings that differ."""
        from ...core.translator import Translator

        given, changes = content[START], content.get("bridge", {})
        if "domains" in content:
            self.errors.append("domains: are those of start; leave out one of both")
        if not isinstance(changes, dict):
            self.errors.append("bridge: no table; write a section [bridge]")
        elif not isinstance(given, str):
            self.errors.append(f"start: must be the folder of a translator, not {given!r}")
        elif (self.folder / given).resolve() == out.resolve():
            self.errors.append(f"start: {given} would be written over; give another training.out")
        else:
            begun = None
            with self.at(START):
                begun = Translator.load(self.folder / given, self.registry)
            if begun is not None:
                same = changes.get("name") == begun.bridge.name
                with self.at("bridge"):
                    return begun.with_settings(
                        **{k: v for k, v in changes.items() if not (same and k == "name")}
                    )
        return None

    def domains(self, section: Mapping[str, Any]) -> dict[str, Modality | Learner]:
        """``[domains.NAME]``: a modality and its settings, or ``same_as`` another domain."""
        made: dict[str, Modality | Learner] = {}
        twins: dict[str, str] = {}
        for name, given in section.items():
            key = f"domains.{name}"
            if isinstance(given, dict) and set(given) == {"same_as"}:
                twins[name] = str(given["same_as"])
            elif isinstance(given, dict) and "same_as" in given:
                self.errors.append(f"{key}.same_as: takes all of the other domain; leave out more")
            elif not isinstance(given, dict) or not isinstance(given.get("modality"), str):
                self.errors.append(f"{key}.modality: missing; name one, as 'transmodal list' does")
            else:
                settings = {k: v for k, v in given.items() if k != "modality"}
                with self.at(key):
                    kind = self.registry.modality(given["modality"])
                    make = kind.learner(settings)
                    made[name] = Learner(make) if make else build(kind, settings, key)
        for name, other in twins.items():
            if other in made:
                made[name] = made[other]
            else:
                self.errors.append(f"domains.{name}.same_as: no modality given for {other!r}")
        return {name: made[name] for name in section if name in made}

    def learned(
        self, domains: Mapping[str, Modality | Learner], records: Callable[[], Records]
    ) -> dict[str, Modality]:
        """The domains, all made: a learner of its training items, twins of those of both."""
        made: dict[str, Modality] = {}
        waiting: dict[Learner, list[str]] = {}
        for name, modality in domains.items():
            if isinstance(modality, Learner):
                waiting.setdefault(modality, []).append(name)
            else:
                made[name] = modality
        for learner, names in waiting.items():
            with self.at(f"domains.{names[0]}"):
                columns = records().columns
                for name in names:
                    if name not in columns:
                        raise DataError(
                            f"the records hold no domain {name!r} to learn of; they hold "
                            f"{', '.join(columns)}"
                        )
                twin = learner.make([item for name in names for item in columns[name].items])
                made.update(dict.fromkeys(names, twin))
        return {name: made[name] for name in domains if name in made}

    def bridge(self, section: Mapping[str, Any]) -> Bridge | None:
        """``[bridge]``: a name and settings."""
        if not section:
            return None
        if not isinstance(section.get("name"), str):
            self.errors.append("bridge.name: missing; name one, as 'transmodal list' does")
            return None
        settings = {k: v for k, v in section.items() if k != "name"}
        with self.at("bridge"):
            bridge: Bridge = build(self.registry.bridge(section["name"]), settings, "bridge")
            return bridge
        return None

    def records(self, section: Mapping[str, Any], domains: Sequence[str]) -> Callable[[], Records]:
        """``[records]``: a manifest or a folder per domain, and which split of them."""
        self.known("records", section, RECORDS)
        manifest, folders = section.get("manifest"), section.get("folders")
        if section and (manifest is None) == (folders is None):
            self.errors.append("records: give either manifest = FILE or folders = {NAME = FOLDER}")
        if manifest is not None and not (self.folder / str(manifest)).is_file():
            self.errors.append(f"records.manifest: no such file {self.folder / str(manifest)}")
        if folders is not None and not isinstance(folders, dict):
            self.errors.append("records.folders: not a table {NAME = FOLDER}")
        for name, folder in folders.items() if isinstance(folders, dict) else ():
            if not isinstance(folder, str):
                self.errors.append(
                    f"records.folders.{name}: must be the path of a folder, not {folder!r}"
                )
        if manifest is not None and section.get("paired") is False:
            self.errors.append("records.paired: is for folders; rows of a manifest hold together")
        inline = section.get("inline", [])
        if not isinstance(inline, list) or not all(isinstance(name, str) for name in inline):
            self.errors.append(f"records.inline: must be a list of columns, not {inline!r}")
        if inline and manifest is None:
            self.errors.append("records.inline: is for the columns of a manifest")
        for name in ("paired", "stream"):
            if not isinstance(section.get(name, False), bool):
                self.errors.append(f"records.{name}: must be true or false, not {section[name]!r}")

        def read() -> Records:
            from ...core.records import Records

            if manifest is not None:
                records = Records.from_manifest(self.folder / manifest, domains, inline=inline)
                if any(records.splits) and "split" not in section:
                    return records.part("train")  # never learn from the rows to be tested on
            else:
                assert isinstance(folders, dict)
                paths = {name: self.folder / folder for name, folder in folders.items()}
                records = Records.from_folders(paths, paired=section.get("paired", False))
            return records.part(section["split"]) if "split" in section else records

        return read

    def training(self, section: Mapping[str, Any], out: Path | None) -> tuple[dict[str, Any], Path]:
        """``[training]``: settings of ``Training``, and ``out`` where none was asked for."""
        from ...core.kernel.settings import Training

        names = tuple(field.name for field in fields(Training))
        self.known("training", section, ("out", *names))
        settings = {key: value for key, value in section.items() if key in names}
        for name in ("out", "checkpoint"):
            if not isinstance(section.get(name, ""), str):
                self.errors.append(
                    f"training.{name}: must be the path of a folder, not {section[name]!r}"
                )
        if out is None:
            out = self.folder / str(section.get("out", "translator"))
        kept = settings.get("checkpoint")
        settings["checkpoint"] = out / "checkpoint" if kept is None else self.folder / str(kept)
        with self.at("training"):
            Training(**settings)
        return settings, out
