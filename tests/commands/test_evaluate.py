"""``transmodal evaluate`` on records with pairs: real training and files, in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jiwer
import pytest
from calls import refused, run

from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.translator import Translator
from transmodal.plugins.text.modality import Text
from transmodal.registry import Registry, hookimpl
from transmodal.registry import commands as built_in

from toys import Dots, Swap, dots

WORDS = ["one", "two words", "three", "a b", "cd", "efg"]
RECIPE = """
[domains.a]
modality = "dots"
[domains.b]
modality = "text"
longest = 12
hidden = 8
embedding = 8
bank = 1
critic = 8
[bridge]
name = "universal-attention"
tasks = [["a", "b"]]
width = 8
latent = 4
style_width = 8
steps = 3
batch = 4
[records]
manifest = "all.csv"
split = "train"
[training]
out = "out"
device = "cpu"
"""


class Plugins:
    @hookimpl
    def register_modalities(self) -> dict[str, Any]:
        return {"dots": Dots, "text": Text}

    @hookimpl
    def register_bridges(self) -> dict[str, Any]:
        return {"swap": Swap, "universal-attention": UniversalAttention}


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.register(built_in, "commands", "transmodal", "0.1.0")
    registry.register(Plugins(), "plugins", "acme", "1")
    return registry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of both domains."""
    for k, item in enumerate(dots(16)[0]):
        Dots().write(item, tmp_path / f"{k}.json")
        Text().write(WORDS[k % len(WORDS)], tmp_path / f"{k}.txt")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def manifest(folder: Path, head: str, rows: list[str], name: str = "all.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([head, *rows]))
    return path


def test_a_task_one_way_without_labels_is_trained_and_measured(
    registry: Registry, folder: Path
) -> None:
    rows = [f"{k}.json,{k}.txt,{'test' if k > 9 else 'train'}" for k in range(16)]
    data = manifest(folder, "a,b,split", rows)
    trained = run(registry, "train", folder / "recipe.toml")
    assert trained.exit_code == 0, trained.output
    measured = run(registry, "evaluate", folder / "out", data, "--seed", "3")
    assert measured.exit_code == 0, measured.output
    results = json.loads((folder / "out" / "card.json").read_text())["results"]
    assert results["transfers"] == [] and results["judges"] == {}
    found = {one["metric"]: one for one in results["comparisons"]}
    assert list(found) == ["cer", "wer", "bleu", "chrf"]
    translator = Translator.load(folder / "out", registry)
    made = translator.translate([folder / f"{k}.json" for k in range(10, 16)], "a", "b")
    real = [WORDS[k % len(WORDS)] for k in range(10, 16)]
    assert found["cer"]["value"] == pytest.approx(jiwer.cer(real, made))
    assert found["wer"]["value"] == pytest.approx(jiwer.wer(real, made))
    assert (found["wer"]["source"], found["wer"]["target"], found["wer"]["n"]) == ("a", "b", 6)
    line = f"| a → b | wer | {found['wer']['value']:.4g} | {found['wer']['chance']:.4g} | 6 |"
    assert line in measured.output and "judges" not in measured.output
    assert (folder / "out" / "README.md").read_text().strip() in measured.output


def test_labels_that_the_test_rows_lack_need_no_training_data(
    registry: Registry, folder: Path
) -> None:
    translator = Translator({"a": Dots(), "b": Dots()}, Swap())
    translator.connect(("0", "1"))
    translator.save(folder / "saved")
    data = manifest(folder, "a,b", [f"{k}.json,{k + 1}.json" for k in range(8)])
    measured = run(registry, "evaluate", folder / "saved", data)
    assert measured.exit_code == 0, measured.output
    assert "| b → a | mse | " in measured.output


def test_records_with_neither_labels_nor_pairs_are_refused(
    registry: Registry, folder: Path
) -> None:
    translator = Translator({"a": Dots(), "b": Dots()}, UniversalAttention(tasks=[("a", "b")]))
    translator.connect()
    translator.save(folder / "saved")
    data = manifest(folder, "a,b", ["0.json,", "1.json,", ",2.json"])
    told = refused(registry, "evaluate", folder / "saved", data)
    assert "no record holds both ends of a translation (a -> b)" in told
    assert "give records with pairs" in told
