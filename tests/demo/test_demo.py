"""``transmodal demo`` from end to end, in a few steps."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import Result
from PIL import Image

from transmodal.cookbook.demo import run as steps
from transmodal.cookbook.demo.data import WORDS

Call = Callable[..., Result]
FILES = [
    *("README.md", "card.json", "config.json", "demo.json", "model.safetensors", "report.html"),
    *("between.png", "digits-to-spoken.png", "spoken-to-digits.png"),
]


class Page(HTMLParser):
    """The tags of a page; checks that each is closed."""

    VOID = ("meta", "img", "br", "link", "path", "use", "rect", "line")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_it_leaves_the_files_it_promises(finished):
    out, result = finished
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == sorted(FILES)
    for folder in ("inputs", "outputs"):
        names = {path.name for path in (out / folder).iterdir()}
        assert names == {word + end for word in WORDS for end in (".png", ".wav")}
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["inputs", "outputs"]


def test_it_says_what_came_out_and_what_to_try(finished):
    out, result = finished
    for text in ("handwritten -> spoken", "heard", "chance 10 %", "judges", " s in all", "fp32"):
        assert text in result.output
    assert f"transmodal translate {out} {out / 'inputs/seven.png'} seven.wav" in result.output
    figures = json.loads((out / "demo.json").read_text())["figures"]
    assert set(figures["seconds"]) == {"data", "translator", "judges", "evaluation"}
    assert figures["n"]["digits->spoken"] == figures["n"]["digits->spoken heard"] == 45
    card = json.loads((out / "card.json").read_text())
    told = {f"{t['source']}->{t['target']}": t["accuracy"] for t in card["results"]["transfers"]}
    assert told.items() <= figures["accuracy"].items()
    for name in card["pictures"]:
        assert f"({name})" in (out / "README.md").read_text() and (out / name).is_file()


def test_the_report_is_one_whole_page(finished):
    page = Page()
    page.feed((finished[0] / "report.html").read_text())
    assert not page.open
    names = [name for name, _ in page.tags]
    assert names.count("audio") == 48  # 20 clips, 20 translations, 8 in between
    assert names.count("svg") == 5  # a plot for each stage
    assert sum(attrs.get("class") == "confusion" for _, attrs in page.tags) == 4
    for name, attrs in page.tags:
        if name in ("img", "audio"):
            assert attrs["src"].startswith("data:")


def test_grids_have_a_column_for_each_class_and_step(finished):
    columns = {"digits-to-spoken.png": 10, "spoken-to-digits.png": 10, "between.png": 8}
    for name, n in columns.items():
        width, height = Image.open(finished[0] / name).size
        assert width % n == 0 and width / n > 100 and height > 200


@pytest.mark.parametrize(("source", "target"), [(".png", ".wav"), (".wav", ".png")])
def test_its_files_are_translated_both_ways(finished, tmp_path, call: Call, source, target):
    out, _ = finished
    made = tmp_path / f"seven{target}"
    result = call("translate", out, out / "inputs" / f"seven{source}", made)
    assert result.exit_code == 0, result.output
    wanted = out / "outputs" / made.name
    if target == ".wav":
        wave, rate = soundfile.read(made)
        other, _ = soundfile.read(wanted)
        assert rate == 8000 and 0 < len(wave) <= 6000 and abs(wave).max() > 0.01
        assert abs(len(wave) - len(other)) <= 256
    else:
        picture, other = (np.asarray(Image.open(path), float) for path in (made, wanted))
        assert picture.shape == (16, 16)
        assert abs(picture - other).mean() < 4  # of 255: the input passed through 16 bits


def test_an_ended_demo_goes_on_to_the_same_weights(finished, tmp_path, call: Call, monkeypatch):
    out, whole = tmp_path / "demo", finished[0]
    fit = steps.training.fit

    def killed(*given, watch=None, **options):
        def end(event):
            if getattr(event, "stage", "") == "latent/spoken":
                raise KeyboardInterrupt

        return fit(*given, watch=end, **options)

    asked = ("demo", "--quick", "--out", out, "--precision", "fp32")
    with monkeypatch.context() as patch:
        patch.setattr(steps.training, "fit", killed)
        assert call(*asked).exit_code == 1
    assert (out / "training").is_dir() and not (out / "report.html").exists()

    wrong = call("demo", "--quick", "--out", out, "--seed", 1)
    assert wrong.exit_code == 2
    assert "holds an unfinished demo of seed 0" in wrong.output and "seed 1" in wrong.output

    result = call("demo", "--quick", "--out", out)
    assert result.exit_code == 0, result.output
    assert "going on with the demo" in result.stderr
    assert "latent/digits: 5 steps" not in result.stderr
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (out / "report.html").read_text().count("<svg") == 5  # curves of before are there


def test_a_signal_ends_it_with_advice(tmp_path, call: Call, monkeypatch):
    import os
    import signal

    fit = steps.training.fit

    def interrupted(*given, watch=None, **options):
        def end(event):
            if type(event).__name__ == "StageStarted" and event.stage == "latent/digits":
                os.kill(os.getpid(), signal.SIGTERM)

        return fit(*given, watch=end, **options)

    monkeypatch.setattr(steps.training, "fit", interrupted)
    result = call("demo", "--quick", "--out", tmp_path / "demo", "--precision", "fp32")
    assert result.exit_code == 2
    assert "SIGTERM stopped the training" in result.output and "to go on" in result.output


def test_it_does_not_write_into_a_folder_of_something_else(tmp_path, call: Call):
    (tmp_path / "thesis.tex").write_text("mine")
    result = call("demo", "--quick", "--out", tmp_path)
    assert result.exit_code == 2 and "choose another --out" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_note_is_named(tmp_path, call: Call):
    (tmp_path / "demo.json").write_text('{"settings"')
    result = call("demo", "--quick", "--out", tmp_path)
    assert result.exit_code == 2
    assert re.search(r"demo\.json is damaged .* remove", result.output, re.S)


def test_a_missing_extra_is_one_message(tmp_path, call: Call, monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    result = call("demo", "--quick", "--out", tmp_path / "new", "--precision", "fp32")
    assert result.exit_code == 2
    assert "pip install 'transmodal[demo]'" in result.output
    assert not (tmp_path / "new").exists()


def test_help_needs_no_torch():
    import subprocess

    code = (
        "import sys, transmodal.cookbook.demo.command as c; c.demo.get_short_help_str();"
        "print('torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_figures_are_kept_and_recorded(finished, tmp_path: Path, monkeypatch):
    from click.testing import CliRunner

    from transmodal.cookbook.demo import measure

    out, _ = finished
    (tmp_path / "seed-0").symlink_to(out)
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "the-recipes" / "results.json")
    words = ["--seeds", "0", "--out", str(tmp_path), "--quick", "--record"]
    result = CliRunner().invoke(measure.main, words)
    assert result.exit_code == 0, result.output
    figures = json.loads((out / "demo.json").read_text())["figures"]
    for entry in json.loads((tmp_path / "results.json").read_text()):
        key = entry["name"].removeprefix("demo/")
        assert entry["mean"] == figures["accuracy"][key]
        assert entry["n"] == figures["n"][key] and entry["chance"] == 0.1
        started = "python -m transmodal.cookbook.demo.measure --record"
        assert entry["command"] == f"{started} --seeds 0 --quick"
    assert not measure.RESULTS.exists()  # of a few steps


def test_finished_demos_of_another_precision_are_not_taken_for_those_asked(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from transmodal.cookbook.demo import measure
    from transmodal.cookbook.demo.folder import write_note

    keys = (*measure.KEYS, "digits->spoken heard")
    figures = {"accuracy": dict.fromkeys(keys, 0.5), "n": dict.fromkeys(keys, 9), "chance": 0.1}
    settings = {"seed": 3, "precision": "bf16", "quick": False}
    write_note(tmp_path / "seed-3", settings, figures)
    runs = []
    other = {**figures, "accuracy": dict.fromkeys(keys, 0.75)}

    def run(registry, out, **asked):
        write_note(out, asked, other)
        runs.append(asked)
        return other

    monkeypatch.setattr(measure, "run", run)
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results.json")
    command = "python -m transmodal.cookbook.demo.measure --record --seeds 3"
    kept = (tmp_path / "seed-3" / "demo.json").read_bytes()
    for words, end, wanted in (
        (["--precision", "bf16"], " --precision bf16", 0.75),
        (["--precision", "fp32"], " --precision fp32", 0.75),
        ([], "", 0.5),
    ):
        call = ["--seeds", "3", "--out", str(tmp_path), "--record", *words]
        told = CliRunner().invoke(measure.main, call, catch_exceptions=False)
        assert told.exit_code == 0, told.output
        for entry in json.loads(measure.RESULTS.read_text()):
            assert (entry["mean"], entry["command"]) == (wanted, command + end)
    assert [asked["precision"] for asked in runs] == ["bf16", "fp32"]
    assert (tmp_path / "seed-3" / "demo.json").read_bytes() == kept


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_leave_no_trace(tmp_path):
    pytest.importorskip("espeakng_loader", reason="pip install 'transmodal[demo]'")
    from transmodal.cookbook.demo.kill_resume import chains

    assert chains(tmp_path, kills=3, quick=True, seed=0) == (3, 3)
