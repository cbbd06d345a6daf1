"""``transmodal evaluate`` on records with pairs: real training and files, in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import jiwer
import pytest
from calls import Plugin, done, refused, save

from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.translator import Translator
from transmodal.plugins.text.modality import Text
from transmodal.registry import Registry

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


@pytest.fixture
def registry(registry: Registry) -> Registry:
    more = Plugin({"text": Text}, {"universal-attention": UniversalAttention})
    registry.register(more, "more", "acme", "1")
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
    done(registry, "train", folder / "recipe.toml")
    measured = done(registry, "evaluate", folder / "out", data, "--seed", "3")
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
    assert line in measured and "judges" not in measured
    assert (folder / "out" / "README.md").read_text().strip() in measured


def test_labels_that_the_test_rows_lack_need_no_training_data(
    registry: Registry, folder: Path
) -> None:
    save(folder / "saved", Swap())
    data = manifest(folder, "a,b", [f"{k}.json,{k + 1}.json" for k in range(8)])
    assert "| b → a | mse | " in done(registry, "evaluate", folder / "saved", data)


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
