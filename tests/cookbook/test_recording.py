"""Figures out of measured values: of which seeds, of how many items, and by which command."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from transmodal.cookbook.papers.m3d_gan import record as m3d_gan
from transmodal.cookbook.recording import Recorder
from transmodal.cookbook.work import Work
from transmodal.core.errors import SettingError

Files = dict[str, dict[str, float]]  # path in the work folder, without its ending -> values
COGAN = "python -m transmodal.cookbook.papers.cogan"
SYNCGAN = "python -m transmodal.cookbook.papers.syncgan"
LATENT = "python -m transmodal.cookbook.papers.latent_transfer"
M3D = "python -m transmodal.cookbook.papers.m3d_gan"


def put_down(folder: Path, files: Files) -> None:
    """Write made-up files of values."""
    for name, values in files.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def test_a_figure_is_of_all_seeds_that_have_it(tmp_path: Path) -> None:
    measured: Files = {
        "values/row-0": {"n": 5.0},
        "values/row-1": {"n": 6.0, "x": 0.25, "x/n": 3.0},
        "values/row-2": {"n": 7.0, "x": 0.75, "x/n": 4.0},
        "values/row-3": {"x": 9.0},
        "seconds/row-2": {"seconds": 8.0},
    }
    put_down(tmp_path, measured)
    to = Recorder(Work(tmp_path, "fp32"), tmp_path / "results.json", [0, 1, 2], "python -m it")
    values = to.read("row")
    assert values == {seed: measured[f"values/row-{seed}"] for seed in range(3)}
    to.put("z", values, "x", "measure", chance=0.5)
    to.put("nothing", values, "y", "measure")
    to.put("nowhere", to.read("other"), "x", "measure")
    to.put("by key", values, "x", "measure", n="x/n")
    to.put("given", values, "n", "measure", n=12.0)
    to.put("spent", to.read("row", "seconds"), "seconds", "measure", n=None)
    assert to.written == ["z", "by key", "given", "spent"]
    found = {entry.pop("name"): entry for entry in json.loads(to.results.read_text())}
    assert found["z"] == {
        "mean": 0.5, "std": pytest.approx(0.125**0.5), "seeds": [1, 2], "n": 6, "chance": 0.5,
        "command": "python -m it measure record --precision fp32",
    }  # fmt: skip
    assert [found[name]["n"] for name in ("by key", "given", "spent")] == [3, 12, None]
    assert found["given"]["seeds"] == [0, 1, 2] and found["given"]["chance"] is None
    assert found["spent"]["mean"] == 8 and found["spent"]["seeds"] == [2]


def test_values_of_another_model_are_not_recorded(tmp_path: Path) -> None:
    work, model = Work(tmp_path), tmp_path / "model"
    model.write_bytes(b"first")
    work.remember("row-0", lambda: {"x": 1.0}, of=["model"])
    to = Recorder(work, tmp_path / "results.json", [0], "python -m it")
    assert to.read("row") == {0: {"x": 1.0}}
    model.write_bytes(b"second")
    with pytest.raises(SettingError, match=r"row-0.json was measured of another model; delete it"):
        to.read("row")
    model.unlink()
    with pytest.raises(SettingError, match="measured of model, which is gone"):
        to.read("row")


def test_values_that_do_not_tell_of_how_many_are_refused(tmp_path: Path) -> None:
    put_down(tmp_path, {"values/row-1": {"x": 0.5}})
    to = Recorder(Work(tmp_path), tmp_path / "results.json", [0, 1], "python -m it")
    with pytest.raises(SettingError, match=r"the values of 'z', seed 1, do not tell .*'x/n'.*dele"):
        to.put("z", to.read("row"), "x", "measure", n="x/n")
    assert not to.results.exists()


@pytest.mark.parametrize("recipe", ["cogan", "syncgan", "latent_transfer", "m3d_gan"])
def test_damaged_values_are_told_in_a_line(recipe: str, tmp_path: Path) -> None:
    stem = {"cogan": "edges", "syncgan": "spoken", "latent_transfer": "precision",
            "m3d_gan": "names-test"}[recipe]  # fmt: skip
    put_down(tmp_path / "quick", {f"values/{stem}-0": {"n": 1}})
    (tmp_path / "quick" / "values" / f"{stem}-0.json").write_text('{"n": 1')
    main = import_module(f"transmodal.cookbook.papers.{recipe}.__main__").main
    found = CliRunner().invoke(main, ["record", "--quick", "--out", str(tmp_path)])
    assert found.exit_code == 2 and f"{stem}-0.json is damaged" in found.output


@pytest.mark.parametrize(
    ("recipe", "files", "wanted"),
    [
        (
            "cogan",
            {
                "values/negatives-0": {"n": 9, "agreement": 0.5, "agreement/chance": 0.125},
                "values/negatives-1": {"n": 8, "agreement": 0.5, "agreement/chance": 0.375},
                "values/rotation-1": {"n": 8, "class": 0.5, "class/chance": 0.1, "judge": 0.7},
                "values/edges-generator1-0": {"n": 7, "agreement": 0.5, "agreement/chance": 0.1,
                                              "corrected": 0.25},
                "values/edges-0": {"n": 9, "processor seconds": 5, "agreement": 0.5,
                                   "corrected": 0.25, "agreement/chance": 0.1},
                "values/usps-mnist-cogan-0": {"mnist": 0.5, "n/mnist": 6},
            },
            {
                "negatives": (9, 0.25, f"{COGAN} negatives record"),
                "rotation/waist": (8, 0.1, f"{COGAN} rotation record"),
                "rotation/waist/judge": (8, None, f"{COGAN} rotation record"),
                "edges/tied@1/corrected": (7, 0.0, f"{COGAN} tied record"),
                "edges/seconds": (None, None, f"{COGAN} edges record"),
                "usps->mnist/cogan": (6, 0.1, f"{COGAN} adaptation record"),
            },
        ),
        (
            "syncgan",
            {
                "values/rates-0.4-1": {"n": 9, "rate": 0.5, "entropy": 0.9, "variety": 0.5},
                "values/spoken-0": {"n": 9, "heard": 0.5, "heard/n": 4, "judge/spoken": 0.9},
                "values/transfer-0": {"garments->digits": 0.5, "garments->digits/n": 5},
                "values/instruments-mel-0": {"n": 3, "rate": 0.5},
                "seconds/garments-0": {"seconds": 5},
            },
            {
                "rate@0.4": (9, 0.1, f"{SYNCGAN} rates record"),
                "rate@0.4/entropy": (9, None, f"{SYNCGAN} rates record"),
                "rate@0.4/variety": (None, None, f"{SYNCGAN} rates record"),
                "rate@1.0/seconds": (None, None, f"{SYNCGAN} rates record"),
                "digits_spoken/heard": (4, 0.1, f"{SYNCGAN} spoken record"),
                "judge/spoken": (None, 0.1, f"{SYNCGAN} spoken record"),
                "fashion_mnist->mnist": (5, 0.1, f"{SYNCGAN} rates transfer record"),
                "instruments/mel": (3, 0.2, f"{SYNCGAN} instruments record"),
            },
        ),
        (
            "latent_transfer",
            {
                "values/mnist-fsdd-0": {"mnist->fsdd": 0.5, "mnist->fsdd/n": 8, "fsdd->fsdd/n": 7,
                                        "judge/fsdd": 0.9, "mnist->fsdd/frechet": 2.0,
                                        "mnist->fsdd/heard": 0.25, "mnist->fsdd/heard/n": 4},
                "values/mnist-mnist-0": {"mnist_b->mnist": 0.5, "mnist_b->mnist/n": 6},
                "values/labels-100-2": {"n": 15, "mnist->mnist_b": 0.5},
                "values/ablation-0": {"n": 17, "conditional@0.05": 0.5},
                "values/precision-0": {"n": 16, "fp32": 0.5, "speedup": 2.0},
            },
            {
                "mnist->fsdd": (8, 0.1, f"{LATENT} transfer record"),
                "mnist->fsdd/frechet": (8, None, f"{LATENT} transfer record"),
                "mnist->fsdd/heard": (4, 0.1, f"{LATENT} transfer record"),
                "judge/fsdd": (7, 0.1, f"{LATENT} transfer record"),
                "mnist->mnist/back": (6, 0.1, f"{LATENT} transfer record"),
                "mnist->mnist@100": (15, 0.1, f"{LATENT} labels record"),
                "ablation/conditional@0.05": (17, 0.1, f"{LATENT} ablation record"),
                "precision/fp32": (16, 0.1, f"{LATENT} precision record"),
                "bf16_speedup": (None, None, f"{LATENT} precision record"),
            },
        ),
        (
            "m3d_gan",
            {
                "values/text_text-test-0": {"n": 9, "bleu": 5.0, "parameters": 7},
                "values/speech_text-test-0": {"n": 9, "spelling/cer": 0.5, "unseen/cer": 0.5,
                                              "unseen/n": 4},
                "values/image_image-edges-0": {"n": 9, "identity": 0.5, "diversity_z": 0.5,
                                               "diversity_z/n": 3},
                "seconds/text_text-0": {"seconds": 5},
            },
            {
                "text->text/bleu": (9, None, f"{M3D} text_text record"),
                "text->text/parameters": (None, None, f"{M3D} text_text record"),
                "text->text/seconds": (None, None, f"{M3D} text_text record"),
                "speech->text/spelling/cer": (9, None, f"{M3D} speech_text record"),
                "speech->text/unseen/cer": (4, None, f"{M3D} speech_text record"),
                "edges->image/identity": (9, 1 / 9, f"{M3D} drawings record"),
                "edges->image/diversity_z": (3, None, f"{M3D} drawings record"),
            },
        ),
    ],
)  # fmt: skip
def test_every_recipe_records_its_values(
    recipe: str, files: Files, wanted: dict[str, tuple[Any, ...]], tmp_path: Path
) -> None:
    put_down(tmp_path / "quick", files)
    main = import_module(f"transmodal.cookbook.papers.{recipe}.__main__").main
    call = ["record", "--quick", "--seeds", "0,1,2", "--out", str(tmp_path)]
    assert CliRunner().invoke(main, call, catch_exceptions=False).exit_code == 0
    entries = {e["name"]: e for e in json.loads((tmp_path / "quick/results.json").read_text())}
    for name, (n, chance, command) in wanted.items():
        found = entries[name]
        expected = (n, chance, f"{command} --quick")
        assert (found["n"], found["chance"], found["command"]) == expected, name


def test_seconds_of_what_was_not_measured_are_not_recorded(tmp_path: Path) -> None:
    values = {"values/text_text-test-1": {"n": 9.0, "bleu": 5.0}}
    put_down(tmp_path, {**values, **{f"seconds/text_text-{s}": {"seconds": s} for s in range(3)}})
    results = tmp_path / "results.json"
    assert m3d_gan.record(Work(tmp_path), results, [0, 1, 2])[-1] == "text->text/seconds"
    entries = {entry["name"]: entry for entry in json.loads(results.read_text())}
    assert entries["text->text/seconds"]["seeds"] == [1]
