"""The registry: plugins one by one, failures kept, names checked, clashes refused."""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from transmodal.core.errors import PluginError, UnknownNameError
from transmodal.registry import Registry, hookimpl
from transmodal.registry import registry as module

from toys import Dots, Swap


class Good:
    @hookimpl
    def register_modalities(self) -> dict[str, Any]:
        return {"dots": Dots, "lazy-dots": "toys:Dots"}

    @hookimpl
    def register_bridges(self) -> dict[str, Any]:
        return {"swap": Swap}


def plugin(answer: Any, hook: str = "register_modalities") -> Any:
    def implementation(self: Any) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return type("Made", (), {hook: hookimpl(implementation)})()


def cause(thing: Any) -> str:
    registry = Registry()
    registry.register(thing, "bad", "acme-bad", "2.0")
    [failure] = registry.failures
    assert not registry.plugins and not registry.names("modality")
    assert str(failure).startswith("plugin 'bad' of acme-bad 2.0: ")
    return failure.cause


def test_classes_and_strings_resolve_to_the_class() -> None:
    registry = Registry([Good()])
    assert registry.modality("dots") is Dots is registry.modality("lazy-dots")
    assert registry.bridge("swap") is Swap
    assert registry.names("modality") == ["dots", "lazy-dots"]
    assert registry.failures == []


def test_a_raising_plugin_costs_only_itself() -> None:
    registry = Registry([plugin(RuntimeError("no licence")), Good()])
    assert registry.modality("dots") is Dots
    assert [failure.cause for failure in registry.failures] == ["RuntimeError: no licence"]


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (plugin({}, "register_modalitys"), "unknown hook 'register_modalitys'"),
        (SimpleNamespace(), "implements no hook; mark one of register_modalities"),
        (plugin(["dots"]), "must return a mapping from names to classes, not list"),
        (plugin({"Dots": Dots}), "gives the name 'Dots'; names are lower-case"),
        (plugin({"a/b": Dots}), "gives the name 'a/b'"),
        (plugin({1: Dots}), "gives the name 1"),
        (plugin({"dots": Dots()}), "give the class itself, not an instance"),
        (plugin({"dots": "toys.Dots"}), "write 'package.module:Class'"),
        (plugin(SystemExit(3)), "SystemExit: 3"),
        (plugin(ModuleNotFoundError("No module named 'x'", name="x")), "that provides 'x'"),
    ],
)
def test_unusable_plugins_are_named_failures(thing: Any, words: str) -> None:
    assert words in cause(thing)


def test_unknown_names_get_suggestions_names_and_failures() -> None:
    registry = Registry([Good()])
    registry.register(plugin(OSError("gone")), "text", "acme-text", "1.0")
    wanted = (
        r"no modality 'dot'; did you mean 'dots'.* The modalities are: dots, lazy-dots\. "
        r"Plugins that failed to load, which may have it: "
        r"plugin 'text' of acme-text 1\.0: OSError: gone"
    )
    with pytest.raises(UnknownNameError, match=wanted):
        registry.modality("dot")
    with pytest.raises(UnknownNameError, match=r"no bridge 'zzz'; The bridges are: swap\."):
        registry.bridge("zzz")
    with pytest.raises(UnknownNameError, match=r"no bridge 'x'; The bridges are: none\."):
        Registry().bridge("x")


def test_clashes_have_no_winner_and_the_distribution_chooses() -> None:
    registry = Registry()
    registry.register(Good(), "dots", "Acme_Dots", "1")
    registry.register(plugin({"dots": Dots}), "spots", "other", "2")
    with pytest.raises(
        PluginError,
        match="registered by plugin 'dots' of Acme_Dots 1 and plugin 'spots' of other 2; "
        "choose by Acme_Dots/dots or other/dots",
    ):
        registry.modality("dots")
    assert registry.modality("acme-dots/dots") is Dots  # normalised as pip does
    assert registry.find("modality", "other/dots").plugin.name == "spots"
    assert registry.names("modality") == ["Acme_Dots/dots", "lazy-dots", "other/dots"]
    with pytest.raises(UnknownNameError, match="no modality 'third/dots'"):
        registry.modality("third/dots")


def test_a_clash_within_one_distribution_says_so() -> None:
    registry = Registry()
    for name in ("one", "two"):
        registry.register(plugin({"dots": Dots}), name, "acme", "1")
    with pytest.raises(PluginError, match="uninstall or rename one"):
        registry.modality("acme/dots")


def test_a_class_that_cannot_be_imported_names_plugin_and_cause() -> None:
    registry = Registry()
    registry.register(plugin({"a": "no_such_module:A", "b": "toys:NoSuch"}), "p", "acme", "1")
    with pytest.raises(PluginError, match="modality 'a' .plugin 'p' of acme 1. cannot be loaded"):
        registry.modality("a")
    with pytest.raises(PluginError, match="toys:NoSuch: AttributeError"):
        registry.modality("b")


def test_what_is_no_modality_bridge_or_command_is_refused() -> None:
    registry = Registry(
        [
            plugin({"swap": Swap}),
            plugin({"dots": "toys:Dots"}, "register_bridges"),
            plugin({"dots": "toys:dots"}, "register_commands"),
        ]
    )
    with pytest.raises(PluginError, match=r"make it a subclass of transmodal\.core\.Modality"):
        registry.modality("swap")
    with pytest.raises(PluginError, match=r"make it a subclass of transmodal\.core\.Bridge"):
        registry.bridge("dots")
    with pytest.raises(PluginError, match=r"make it a click\.Command"):
        registry.command("dots")


def test_entry_points_load_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "breaks.py").write_text("raise ValueError('at import')")
    (tmp_path / "quits.py").write_text("import sys; sys.exit('bye')")
    (tmp_path / "works.py").write_text(
        "from transmodal.registry import hookimpl\n"
        "@hookimpl\ndef register_modalities():\n    return {'dots': 'toys:Dots'}\n"
    )
    folder = tmp_path / "acme-1.5.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: acme\nVersion: 1.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    home = Distribution.at(folder)
    points = [
        EntryPoint(name, value, "transmodal")._for(home)  # type: ignore[attr-defined]
        for name, value in (("b", "breaks"), ("q", "quits"), ("w", "works"), ("m", "missing"))
    ]
    monkeypatch.setattr(module, "entry_points", lambda group: points)
    registry = Registry.load()
    for name in ("works", "breaks", "quits"):
        sys.modules.pop(name, None)
    assert registry.modality("acme/dots") is Dots
    assert [str(failure) for failure in registry.failures] == [
        "plugin 'b' of acme 1.5: ValueError: at import",
        "plugin 'q' of acme 1.5: SystemExit: bye",
        "plugin 'm' of acme 1.5: ModuleNotFoundError: No module named 'missing'; "
        "install the distribution that provides 'missing'",
    ]


def test_the_installed_plugins_all_load() -> None:
    registry = Registry.load()
    assert registry.failures == []
    assert {"audio", "image", "speech"} <= set(registry.names("modality"))
    assert "bridging-vae" in registry.names("bridge")


def test_registries_share_nothing() -> None:
    assert Registry([Good()]).names("bridge") == ["swap"]
    assert Registry().names("bridge") == []
