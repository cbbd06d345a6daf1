"""The documents are true: commands, hooks, code and the table of results."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from transmodal.registry import hookspecs
from transmodal.registry.entries import KINDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def results_script() -> ModuleType:
    spec = importlib.util.find_spec("transmodal.cookbook.results")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_two_commands_are_one_line_each() -> None:
    demo, test = blocks(README, "sh")[0].splitlines()
    for command, extra in ((demo, "demo"), (test, "test")):
        assert command.startswith("python3 -m venv .venv && ")
        assert f"pip install -c constraints.txt '.[{extra}]' && " in command
    assert demo.endswith("transmodal demo")
    assert test.endswith("pytest")


def test_ci_runs_the_readme_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    found = re.search(r"^command=\$\((awk .*)\)$", script, re.MULTILINE)
    assert found
    done = subprocess.run(["bash", "-c", found[1]], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.rstrip("\n") == blocks(README, "sh")[0].splitlines()[1]


@pytest.mark.parametrize("hook", KINDS.values())
def test_every_hook_stands_in_the_guide(hook: str) -> None:
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    assert f"### `{hook}{signature}`" in CONTRIBUTING


def test_there_are_no_other_hooks() -> None:
    marked = [name for name, thing in vars(hookspecs).items() if hasattr(thing, "transmodal_spec")]
    assert marked == list(KINDS.values())


def test_the_first_plugin_of_the_guide_works() -> None:
    from transmodal.registry import Registry

    [first, _] = blocks(CONTRIBUTING, "python")
    plugin = ModuleType("acme_series")
    exec(compile(first, "CONTRIBUTING.md", "exec"), plugin.__dict__)
    registry = Registry([plugin])
    assert registry.failures == []
    assert registry.find("modality", "series").target == "acme_series_modality:Series"
    assert "series" not in Registry.load().names("modality")  # else both would lose it
    project = tomllib.loads(blocks(CONTRIBUTING, "toml")[0])
    assert project["project"]["entry-points"]["transmodal"] == {"series": "acme_series"}
    assert project["tool"]["setuptools"]["py-modules"] == ["acme_series", "acme_series_modality"]


def test_code_in_the_documents_parses() -> None:
    for text in (README, CONTRIBUTING):
        for block in blocks(text, "python"):
            assert ast.parse(block).body


def test_the_tables_of_results_are_fresh() -> None:
    for path, page in results_script().pages(ROOT).items():
        assert page == path.read_text(encoding="utf-8"), f"{path.name}: python cookbook/results.py"


def test_the_root_shows_headlines_and_a_recipe_everything(tmp_path: Path) -> None:
    rest = {"mean": 1.0, "std": None, "seeds": [0], "n": 1, "chance": None, "command": "run"}
    recipe = tmp_path / "cookbook" / "papers" / "x"
    recipe.mkdir(parents=True)
    names = ["a->b", "a->b/detail", "demo/a->b"]
    (recipe / "results.json").write_text(json.dumps([{"name": name} | rest for name in names]))
    marks = "<!-- results:begin -->\n<!-- results:end -->\n"
    for folder in (tmp_path, recipe):
        (folder / "README.md").write_text(marks)
    pages = results_script().pages(tmp_path)
    assert "a->b/detail" in pages[recipe / "README.md"]
    assert "a->b/detail" not in pages[tmp_path / "README.md"]
    assert "| demo/a->b |" in pages[tmp_path / "README.md"]


def test_a_table_of_results(tmp_path: Path) -> None:
    script = results_script()
    result = {"name": "a->b", "mean": 0.98765, "std": 0.001, "seeds": [0, 1, 2], "n": 5000}
    result |= {"chance": 0.1, "command": "run it"}
    (tmp_path / "results.json").write_text(json.dumps([result]))
    made = script.fill(
        "x\n<!-- results:begin -->old<!-- results:end -->y",
        script.read(tmp_path / "results.json"),
    )
    assert "| a->b | 0.988 ± 0.001 | 3 | 5,000 | 0.1 | `run it` |\n<!-- results:end -->y" in made
    assert "old" not in made
    (tmp_path / "results.json").write_text('[{"name": "a->b"}]')
    with pytest.raises(SystemExit, match="lacks mean, std, seeds, n, chance, command"):
        script.read(tmp_path / "results.json")
    (tmp_path / "results.json").write_text("[")
    with pytest.raises(SystemExit, match="is no JSON"):
        script.read(tmp_path / "results.json")


@pytest.fixture
def toy_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """train.csv and test.csv of a few small pictures and sounds, in the working folder."""
    import torch

    from transmodal.plugins.image.modality import Image
    from transmodal.plugins.speech.modality import Speech

    monkeypatch.chdir(tmp_path)
    image, speech = Image(size=28, channels=1), Speech(sample_rate=8000)
    pictures = []
    for part in ("train", "test"):
        lines = ["digits,spoken,label"]
        for k in range(16):
            label = k % 2
            picture = torch.zeros(1, 28, 28)
            picture[:, 4 + 10 * label : 14 + 10 * label, 4:24] = 0.5 + k / 40
            time = torch.arange(2400) / 8000
            wave = 0.5 * torch.sin(2 * torch.pi * (300 + 500 * label + 9 * k) * time)
            image.write(picture, Path(f"{part}{k}.png"))
            speech.write(wave, Path(f"{part}{k}.wav"))
            lines.append(f"{part}{k}.png,{part}{k}.wav,{label}")
            pictures.append(picture)
        Path(f"{part}.csv").write_text("\n".join(lines) + "\n")
    yield pictures[:3]


def test_the_readme_composes(toy_records: list[Any], shrink: Callable[..., None]) -> None:
    from transmodal.core.bridges.bridging_vae import BridgingVAE
    from transmodal.core.evaluation import judge

    shrink(BridgingVAE.__init__, steps=2, latent_steps=2, reader_steps=2, batch=8, hidden=16)
    shrink(judge._train, steps=2, batch=8)
    names: dict[str, Any] = {"pictures": toy_records}
    [code] = blocks(README, "python")
    exec(compile(code, "README.md", "exec"), names)
    assert len(names["waves"]) == 3
    assert {path.name for path in Path("digits-spoken").iterdir()} >= {
        "README.md",
        "card.json",
        "config.json",
        "model.safetensors",
    }
