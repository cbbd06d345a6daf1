"""A translator on disk: config.json, model.safetensors, README.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .atomic import write_together
from .bridge import Bridge
from .config import build
from .errors import CheckpointError, MediaError, PluginError, SettingError, UnknownNameError
from .modality import Modality

if TYPE_CHECKING:
    from .evaluation.card import Card
    from .translator import Translator

FORMAT = 1
CONFIG, MODEL, README, CARD = "config.json", "model.safetensors", "README.md", "card.json"


class Finder(Protocol):
    """Finds classes by the names of a configuration; a ``Registry`` does."""

    def modality(self, name: str) -> type[Modality]: ...

    def bridge(self, name: str) -> type[Bridge]: ...


def write(translator: Translator, folder: Path, card: Card | None) -> Path:
    """See ``Translator.save``."""
    if list(translator.domains) != list(translator.bridge.domains):
        raise SettingError(
            f"the bridge joins {', '.join(translator.bridge.domains)}, and the domains were "
            f"changed to {', '.join(translator.domains)} since, so this could not be loaded again; "
            "put them back, or make a Translator of the domains you want and fit it"
        )
    modalities = list({id(m): m for m in translator.domains.values()}.values())
    data = _packed(translator.bridge)
    config = {
        "format": FORMAT,
        "modalities": [{"name": m.name, "settings": m.settings()} for m in modalities],
        "domains": {
            name: next(i for i, m in enumerate(modalities) if m is modality)
            for name, modality in translator.domains.items()
        },
        "bridge": {"name": translator.bridge.name, "settings": translator.bridge.settings()},
        "classes": list(translator.classes),
        "training": translator.training,
        "sha256": _digest(data),
    }
    files: dict[str, str | bytes] = {MODEL: data, CONFIG: json.dumps(config, indent=2)}
    if card is not None:
        files |= card.files()
    try:
        write_together({folder / name: content for name, content in files.items()})
        if card is None and (folder / CARD).exists():
            # a card of earlier weights would tell of others; a README without one is somebody's own
            for name in (README, CARD):
                (folder / name).unlink(missing_ok=True)
    except (MediaError, OSError) as error:
        raise CheckpointError(f"cannot save the translator in {folder}: {error}") from error
    return folder


def read(cls: type[Translator], folder: Path, registry: Finder) -> Translator:
    """See ``Translator.load``."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    config = _config(folder / CONFIG)
    try:
        kinds = [
            build(registry.modality(m["name"]), m["settings"], "modalities")
            for m in config["modalities"]
        ]
        domains = {name: kinds[i] for name, i in config["domains"].items()}
        chosen = config["bridge"]
        bridge = build(registry.bridge(chosen["name"]), chosen["settings"], "bridge")
        classes, digest = tuple(config["classes"]), config["sha256"]
        training = config["training"]
        translator = cls(domains, bridge)
    except (PluginError, UnknownNameError, SettingError) as error:
        raise type(error)(f"{error} (so it stands in {folder / CONFIG})") from error
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise CheckpointError(
            f"{folder / CONFIG} lacks or garbles a field: {error!r}; restore the folder or "
            "train again"
        ) from error
    try:
        data = (folder / MODEL).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{folder / MODEL} cannot be read: {error}") from error
    if _digest(data) != digest:
        raise CheckpointError(
            f"{folder / MODEL} is not what {CONFIG} says it is (truncated, damaged or of another "
            "translator); restore the folder or train again"
        )
    translator.connect(classes)
    translator.training, bridge.begun_from = training, digest
    try:
        translator.bridge.load_state_dict(load(data))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder / MODEL} does not fit the settings in {CONFIG}, as when another version of "
            f"transmodal wrote it; use that version, or train again: {error}"
        ) from error
    return translator


def twin(translator: Translator, changes: Mapping[str, Any]) -> Translator:
    """See ``Translator.with_settings``."""
    bridge = translator.bridge
    other = build(type(bridge), {**bridge.settings(), **changes}, bridge.name)
    made = type(translator)(translator.domains, other)
    made.connect(translator.classes)
    made.training, other.begun_from = translator.training, _digest(_packed(bridge))
    here, there = bridge.state_dict(), other.state_dict()
    sizes = [{name: tuple(x.shape) for name, x in state.items()} for state in (here, there)]
    odd = sorted(name for name, _ in sizes[0].items() ^ sizes[1].items())
    if odd:
        raise SettingError(
            f"{bridge.name}: under these settings ({', '.join(changes)}) and domains it has other "
            f"parts, or parts of other sizes, than the weights are of: {', '.join(odd[:3])}"
        )
    other.load_state_dict(here)
    return made


def _packed(bridge: Bridge) -> bytes:
    """Its weights as a file holds them."""
    from safetensors.torch import save

    return save({name: x.detach().contiguous() for name, x in bridge.state_dict().items()})


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} holds no translator: no {path.name}") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise CheckpointError(
            f"{path} is no translator of format {FORMAT} but {found!r}; "
            "another version of transmodal wrote it, or something else did"
        )
    return config
