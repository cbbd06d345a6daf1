"""Options that recipes share."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

from transmodal.cookbook.command import RecipeCommand, named, numbers, options, tell, work_options
from transmodal.core.errors import DataError

MAINS = [
    *(f"papers.{name}.__main__" for name in
      ("cogan", "syncgan", "latent_transfer", "cm_gans", "m3d_gan")),
    "demo.measure",
]  # fmt: skip
RECORDED = [  # a recipe, and a file of its values
    ("cogan", "negatives", {"n": 9, "agreement": 0.5, "agreement/chance": 0.1}),
    ("syncgan", "spoken", {"n": 9, "rate": 0.5}),
    ("latent_transfer", "labels-100", {"n": 9, "mnist->mnist_b": 0.5}),
    ("m3d_gan", "text_text-test", {"n": 9, "bleu": 5.0}),
]


@click.command()
@options("some-work", seeds="3")
@click.option("--ways", default="0", type=numbers(highest=1))
@click.option("--parts", default="a,b", type=named(["a", "b"]))
@click.option("--shares", default="0.5", type=numbers(float))
@click.option("--even", default="2", type=numbers(can=lambda n: n % 2 == 0, only="even ones"))
def show(
    seeds: list[int],
    out: Path,
    quick: bool,
    ways: list[int],
    shares: list[float],
    parts: tuple[str, ...],
    even: list[int],
) -> None:
    click.echo(f"{seeds} {out} {quick} {ways} {shares} {parts} {torch.get_num_threads()}")


def test_options_have_defaults() -> None:
    threads = torch.get_num_threads()
    assert (
        CliRunner().invoke(show, []).output
        == f"[3] some-work False [0] [0.5] ('a', 'b') {threads}\n"
    )


def test_options_are_read() -> None:
    threads = torch.get_num_threads()
    call = [
        "--seeds",
        "0,2",
        "--ways",
        "1,0",
        "--shares",
        "1,.25",
        "--parts",
        "b",
        "--quick",
        "--out",
        "x",
    ]
    try:
        found = CliRunner().invoke(show, [*call, "--threads", "1"])
    finally:
        torch.set_num_threads(threads)
    assert found.output == "[0, 2] x True [1, 0] [1.0, 0.25] ('b',) 1\n"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["--seeds", "one"], "give whole numbers with commas between, as 0,1, not 'one'"),
        (["--seeds", "0,"], "give whole numbers with commas between"),
        (["--shares", "a"], "give numbers with commas between"),
        (["--ways", "0,2"], "give numbers from 0 to 1, not '0,2'"),
        (["--ways", "-1"], "give numbers from 0 to 1"),
        (["--shares", "nan"], "give numbers from 0 on, not 'nan'"),
        (["--seeds", "-3"], "give numbers from 0 on"),
        (["--even", "4,3"], "no 3; there are even ones"),
        (["--parts", "a,c"], "no 'c'; there are a, b"),
        (["--threads", "-1"], "--threads"),
    ],
)
def test_what_is_no_number_is_named(call: list[str], message: str) -> None:
    found = CliRunner().invoke(show, call)
    assert found.exit_code == 2 and message in found.output


def test_an_error_raised_on_purpose_is_one_message() -> None:
    @click.command(cls=RecipeCommand)
    @click.argument("kind")
    def fail(kind: str) -> None:
        raise {"ours": DataError("no such data set: x"), "other": KeyError("x")}[kind]

    found = CliRunner().invoke(fail, ["ours"])
    assert found.exit_code == 2 and found.output == "Error: no such data set: x\n"
    assert isinstance(CliRunner().invoke(fail, ["other"]).exception, KeyError)


def test_what_was_done_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    tell("drew", ["a", "b", "a"])
    assert capsys.readouterr().out == "drew a, b\n"


@pytest.mark.parametrize(
    ("name", "what"),
    [("cogan", "record"), ("cogan", "pictures"), ("syncgan", "record"), ("syncgan", "pictures"),
     ("latent_transfer", "record"), ("latent_transfer", "pictures"),
     ("cm_gans", "record"), ("m3d_gan", "record")],
)  # fmt: skip
def test_where_nothing_was_measured_a_recipe_says_so(name: str, what: str, tmp_path: Path) -> None:
    main = import_module(f"transmodal.cookbook.papers.{name}.__main__").main
    call = [what, "--quick", "--out", str(tmp_path)]
    found = CliRunner().invoke(main, call, catch_exceptions=False)
    assert found.exit_code == 0
    done = {"record": "recorded", "pictures": "drew"}[what]
    assert found.output == f"{done} nothing; measure something first\n"
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(("recipe", "stem", "values"), RECORDED)
@pytest.mark.parametrize(("precision", "asked"), [("bf16", ""), ("fp32", " --precision fp32")])
def test_what_was_trained_in_another_precision_is_kept_apart_and_recorded_so(
    recipe: str, stem: str, values: dict[str, float], precision: str, asked: str, tmp_path: Path
) -> None:
    main = import_module(f"transmodal.cookbook.papers.{recipe}.__main__").main
    folder = tmp_path / ("quick-fp32" if asked else "quick")
    (folder / "values").mkdir(parents=True)
    (folder / "values" / f"{stem}-0.json").write_text(json.dumps(values))
    call = ["record", "--quick", "--out", str(tmp_path), "--precision", precision]
    assert CliRunner().invoke(main, call, catch_exceptions=False).output.startswith("recorded ")
    (entry, *_) = json.loads((folder / "results.json").read_text())
    assert entry["mean"] in values.values()
    assert entry["command"].endswith(f" record --quick{asked}")


def test_work_has_the_options_of_every_recipe_and_precision() -> None:
    @click.command()
    @work_options("some-work", seeds="3")
    def train(seeds: list[int], out: Path, quick: bool, precision: str) -> None:
        click.echo(f"{seeds} {out} {quick} {precision}")

    assert CliRunner().invoke(train, []).output == "[3] some-work False bf16\n"
    call = ["--quick", "--precision", "fp32"]
    assert CliRunner().invoke(train, call).output == "[3] some-work True fp32\n"
    refused = CliRunner().invoke(train, ["--precision", "fp8"])
    assert refused.exit_code == 2 and "'fp8' is not one of 'fp32', 'bf16'" in refused.output


@pytest.mark.parametrize("module", MAINS)
def test_a_file_is_no_folder_to_work_in(module: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("kept")
    main = import_module(f"transmodal.cookbook.{module}").main
    words = ["record"] if module.startswith("papers.") else []
    found = CliRunner().invoke(main, [*words, "--quick", "--out", str(tmp_path / "taken")])
    assert found.exit_code == 2 and "taken' is a file" in found.output


@pytest.mark.parametrize("module", MAINS)
def test_every_recipe_has_its_errors_told(module: str) -> None:
    assert isinstance(import_module(f"transmodal.cookbook.{module}").main, RecipeCommand)


def test_without_data_a_recipe_says_so_and_shows_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRANSMODAL_DATA", raising=False)
    call = [sys.executable, "-m", "transmodal.cookbook.papers.cogan", "edges", "--out", tmp_path]
    found = subprocess.run(call, capture_output=True, text=True)
    assert found.returncode == 2
    assert found.stderr.startswith("Error: set TRANSMODAL_DATA to the folder")
    assert "Traceback" not in found.stderr
