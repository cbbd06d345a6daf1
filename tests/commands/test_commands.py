"""The command line, tried with toys: real training and files, in seconds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from calls import Plugin, done, refused, run

from transmodal.core.evaluation import judge
from transmodal.core.records import Records
from transmodal.core.translator import Translator
from transmodal.registry import Registry, hookimpl
from transmodal.registry import commands as built_in
from transmodal.registry.commands import paths

from toys import Dots, Swap, dots


class Broken:
    @hookimpl
    def register_commands(self) -> dict[str, Any]:
        return {"broken": "no_such_module:command"}


RECIPE = """
[domains.a]
modality = "dots"
[domains.b]
same_as = "a"
[bridge]
name = "swap"
width = 3
steps = 4
[records]
manifest = "all.csv"
split = "train"
[training]
out = "out"
device = "cpu"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe, and a manifest with splits."""
    lines = ["a,b,label,split"]
    for k, (item, label) in enumerate(zip(*dots(24), strict=True)):
        Dots().write(item, tmp_path / f"{k}.json")
        part = "test" if k >= 16 else "train"
        lines.append(f"{k}.json,{k}.json,{label},{part}")
    (tmp_path / "all.csv").write_text("\n".join(lines))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list"], ["train", "--help"]])
def test_these_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['transmodal', *{arguments!r}]\n"
        "from transmodal.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'numpy', 'librosa', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_python_m_runs_it() -> None:
    command = [sys.executable, "-m", "transmodal", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.stdout == "transmodal, version 0.1.0\n"


def test_list_names_what_is_there_and_what_failed(registry: Registry) -> None:
    registry.register(object(), "empty", "acme-empty", "0.9")
    registry.register(Plugin({"dots": Dots}), "toys", "other-toys", "1")
    output = done(registry, "list")
    for line in (
        "  acme-toys/dots           acme-toys 3.1  (name clash)",
        "  train                    transmodal 0.1.0",
        "  plugin 'empty' of acme-empty 0.9: it implements no hook",
    ):
        assert line in output
    assert "bridges:\n  none\n" in run(Registry([built_in]), "list").output


def test_unknown_commands_get_suggestions(registry: Registry) -> None:
    assert "no command 'trian'; did you mean 'train'" in refused(registry, "trian")


def test_a_broken_command_costs_only_itself(registry: Registry) -> None:
    registry.register(Broken(), "broken", "acme", "1")
    assert "broken       cannot be loaded; call it to see why" in done(registry, "--help")
    assert "ModuleNotFoundError" in refused(registry, "broken")


def test_help_has_the_first_sentence_of_every_command_whole() -> None:
    told = " ".join(done(Registry.load(), "--help").split("Commands:")[1].split())
    assert "..." not in told
    assert "Find what in INDEX is nearest to QUERIES (files or folders), by the translator" in told


def test_debug_shows_the_traceback(registry: Registry, tmp_path: Path) -> None:
    result = run(registry, "--debug", "train", tmp_path / "none.toml")
    assert type(result.exception).__name__ == "SettingError"


def test_doctor_checks_the_machine_extras_and_plugins(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transmodal.registry.commands import doctor

    wanted = ["numpy", 'no-such-thing>=1; extra == "demo"', 'numpy; extra == "test"']
    monkeypatch.setattr(doctor, "requires", lambda name: wanted)
    good = done(registry, "doctor")
    assert "ok     python 3." in good and "ok     torch " in good
    assert "cpu: bfloat16 runs, " in good and "x the speed of float32" in good
    assert "extra 'demo' lacks no-such-thing; pip install 'transmodal[demo]'" in good
    assert "ok     extra 'test': numpy" in good
    assert "ok     bridge swap" in good
    registry.register(Broken(), "broken", "acme", "1")
    registry.register(object(), "empty", "acme-empty", "0.9")
    wanted.append("no-such-base>=2")
    bad = run(registry, "doctor")
    assert bad.exit_code == 1
    assert "FAILED command 'broken' (plugin 'broken' of acme 1) cannot be loaded" in bad.output
    assert "FAILED plugin 'empty' of acme-empty 0.9" in bad.output
    assert "FAILED no-such-base is not installed; pip install 'no-such-base>=2'" in bad.output


def test_train_then_evaluate(
    registry: Registry,
    recipe: Path,
    monkeypatch: pytest.MonkeyPatch,
    shrink: Callable[..., None],
) -> None:
    shrink(judge._train, steps=2, batch=8)
    out = recipe.parent / "out"
    assert f"saved {out}" in done(registry, "train", recipe)
    translator = Translator.load(out, registry)
    assert translator.bridge.settings() == {"width": 3, "steps": 4}
    assert translator.domains["a"] is translator.domains["b"]
    assert translator.training["items"] == {"a": 16, "b": 16}  # the split, not the whole

    seen: dict[str, int] = {}
    keep = Translator.evaluate

    def evaluate(self: Translator, records: Any, *, train: Any, seed: int) -> Any:
        seen.update(test=len(records), train=len(train), seed=seed)
        return keep(self, records, train=train, seed=seed)

    monkeypatch.setattr(Translator, "evaluate", evaluate)
    measured = done(registry, "evaluate", out, recipe.parent / "all.csv", "--seed", "3")
    assert seen == {"test": 8, "train": 16, "seed": 3}
    assert json.loads((out / "card.json").read_text())["domains"]["a"]["test"] == 8
    assert (out / "README.md").read_text().strip() in measured
    assert len(re.findall(r"judge: \d+ steps", measured)) == 2


def test_evaluate_needs_data_for_its_judges(registry: Registry, saved: Path, recipe: Path) -> None:
    manifest = recipe.parent / "plain.csv"
    manifest.write_text("a,b,label\n0.json,0.json,0\n1.json,1.json,1\n")
    assert "give a manifest of training data as --train" in refused(
        registry, "evaluate", saved, manifest
    )


def test_evaluate_without_training_rows_says_where_to_take_them_from(
    registry: Registry,
    saved: Path,
    recipe: Path,
    shrink: Callable[..., None],
) -> None:
    shrink(judge._train, steps=2, batch=8)
    lines = (recipe.parent / "all.csv").read_text().splitlines()
    held, rest = recipe.parent / "held.csv", recipe.parent / "rest.csv"
    for path, part in ((held, "test"), (rest, "train")):
        path.write_text("\n".join([lines[0], *(line for line in lines if line.endswith(part))]))
    told = refused(registry, "evaluate", saved, held)
    assert "held.csv has no rows of the split 'train'" in told and "as --train FILE" in told
    done(registry, "evaluate", saved, held, "--train", rest)


def test_recipes_and_manifests_as_other_systems_write_them(
    registry: Registry, recipe: Path
) -> None:
    manifest = recipe.parent / "all.csv"
    for path in (recipe, manifest):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    manifest.rename(recipe.parent / "ALL.CSV")
    recipe.write_bytes(recipe.read_bytes().replace(b"all.csv", b"ALL.CSV"))
    assert "saved " in done(registry, "train", recipe)


def test_a_training_begins_with_a_saved_translator(registry: Registry, recipe: Path) -> None:
    done(registry, "train", recipe)
    begun = Translator.load(recipe.parent / "out", registry)
    later = RECIPE.split("[records]")[1].replace('"out"', '"later"')
    recipe.write_text(f'start = "out"\n[bridge]\nname = "swap"\nsteps = 2\n[records]{later}')
    done(registry, "train", recipe)
    made = Translator.load(recipe.parent / "later", registry)
    records = Records.from_manifest(recipe.parent / "all.csv", ["a", "b"]).part("train")
    wanted = begun.with_settings(steps=2).fit(records, device="cpu", progress=False)
    assert made.training["steps"] == {"swap": 2} and made.bridge.settings()["width"] == 3
    for name, weight in wanted.bridge.state_dict().items():
        assert torch.equal(weight, made.bridge.state_dict()[name])
    assert "saved " in done(registry, "train", recipe)  # which goes on where it was: at its end
    wanted.save(recipe.parent / "out")
    assert "belongs to another training: begun_from is" in refused(registry, "train", recipe)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ('start = "none"', "none holds no translator"),
        ("start = 3", "start: must be the folder of a translator, not 3"),
        ('start = "saved"\nbridge = 3', "bridge: no table"),
        ('start = "later"', "start: later would be written over; give another training.out"),
        ('start = "saved"\n[domains.a]\nmodality = "dots"', "domains: are those of start"),
        (
            'start = "saved"\n[bridge]\nwidth = 9',
            "bridge: swap: under these settings (width) and domains it has other parts",
        ),
        ('start = "saved"\n[bridge]\nname = "other"', "bridge: swap: Swap has no setting 'name'"),
    ],
)
def test_wrong_starts(registry: Registry, recipe: Path, saved: Path, head: str, words: str) -> None:
    later = RECIPE.split("[records]")[1].replace('"out"', '"later"')
    recipe.write_text(f"{head}\n[records]{later}")
    assert words in refused(registry, "train", recipe)
    assert not (recipe.parent / "later").exists()


def test_columns_that_a_recipe_does_not_name_are_not_read(registry: Registry, recipe: Path) -> None:
    head, *rows = (recipe.parent / "all.csv").read_text().splitlines()
    lines = [f"{head},notes,later", *(f"{row},seen by Ann," for row in rows)]
    (recipe.parent / "all.csv").write_text("\n".join(lines))
    assert "saved " in done(registry, "train", recipe)


def test_a_wrong_recipe_is_told_everything_at_once(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        "surprise = 1\n"
        '[domains.a]\nmodality = "dotz"\n'
        '[domains.b]\nmodality = "dots"\nsize = 0\n'
        "[domains.c]\nsize = 3\n"
        '[domains.d]\nsame_as = "z"\n'
        '[bridge]\nname = "swap"\ndepth = 3\n'
        '[records]\nmanifest = "none.csv"\npart = "x"\n'
        '[training]\nprecision = "fp8"\nepochs = 3\n'
    )
    output = refused(registry, "train", path)
    for line in (
        "surprise: unknown; the keys here are domains, bridge, records, training",
        "domains.a: no modality 'dotz'; did you mean 'dots'?",
        "domains.b: dots: size must be a whole number >= 1 <= 1000, not 0",
        "domains.c.modality: missing",
        "domains.d.same_as: no modality given for 'z'",
        "   bridge: Swap has no setting 'depth'",
        "records.manifest: no such file",
        "records.part: unknown",
        "training.epochs: unknown; the keys here are out, precision",
        "training: Training: precision must be one of 'fp32', 'bf16', 'fp16', not 'fp8'",
    ):
        assert line in output, line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[domains", "cannot be read as TOML"),
        ("[training]\nseed = 1\n", "domains: missing, or no table; write a section [domains]"),
        (RECIPE.replace('name = "swap"', ""), "bridge.name: missing"),
        (RECIPE.replace('manifest = "all.csv"', ""), "records: give either manifest"),
        (RECIPE.replace('manifest = "all.csv"', "folders = 3"), "records.folders: not a table"),
        (
            RECIPE.replace('manifest = "all.csv"', "folders = {a = '.', b = 3}"),
            "records.folders.b: must be the path of a folder, not 3",
        ),
        (
            RECIPE.replace("[records]", '[records]\npaired = "no"'),
            "records.paired: must be true or",
        ),
        (
            RECIPE.replace("[records]", "[records]\nstream = 1"),
            "stream: must be true or false, not 1",
        ),
        (RECIPE.replace('split = "train"', 'split = "dev"'), "no record has the split 'dev'"),
        (
            RECIPE.replace("[records]", "[records]\npaired = false"),
            "records.paired: is for folders; rows of a manifest hold together",
        ),
        (
            RECIPE.replace("[records]", '[records]\ninline = "a"'),
            "records.inline: must be a list of columns, not 'a'",
        ),
        (
            RECIPE.replace('manifest = "all.csv"', "folders = {a = '.'}\ninline = ['a']"),
            "records.inline: is for the columns of a manifest",
        ),
        (RECIPE.replace('"out"', "3"), "training.out: must be the path of a folder, not 3"),
        (
            RECIPE.replace("[training]", "[training]\ncheckpoint = false"),
            "training.checkpoint: must be the path of a folder, not False",
        ),
        (
            RECIPE.replace('same_as = "a"', 'same_as = "a"\nsize = 3'),
            "domains.b.same_as: takes all of the other domain; leave out more",
        ),
        (
            "records = 5\n" + RECIPE.replace("[records]", "[others]"),
            "records: missing, or no table",
        ),
    ],
)
def test_wrong_recipes(registry: Registry, recipe: Path, text: str, words: str) -> None:
    recipe.write_text(text)
    assert words in refused(registry, "train", recipe)


def test_translate_a_file_and_a_folder(
    registry: Registry, saved: Path, items: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "out.json"
    one = done(registry, "translate", saved, items[0], out, "--source", "a")
    assert f"{items[0]} (a) -> {out} (b)" in one
    translator = Translator.load(saved, registry)
    [wanted] = translator.translate([items[0]], source="a", target="b")
    assert Dots().read(out).tolist() == pytest.approx(wanted.tolist())

    source = tmp_path / "items"
    source.mkdir()
    for file in items:
        file.rename(source / file.name)
    (source / "notes.txt").write_text("not an item")
    (source / "folder.json").mkdir()
    source = source.rename(tmp_path / "items.v1")  # whose name tells no domain
    done(registry, "translate", saved, source, tmp_path / "many", "--target", "a")
    assert {p.name for p in (tmp_path / "many").iterdir()} == {f"item{k}.json" for k in range(3)}


def test_translate_writes_as_it_goes(
    registry: Registry,
    saved: Path,
    items: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = ("--source", "a", "--target", "b")
    done(registry, "translate", saved, *items, tmp_path / "whole", *ends)
    monkeypatch.setattr(paths, "SLICE", 2)
    done(registry, "translate", saved, *items, tmp_path / "sliced", *ends)
    # to the byte against the same slices: a processor may round other sizes of batch otherwise
    done(registry, "translate", saved, *items[:2], tmp_path / "parts", *ends)
    done(registry, "translate", saved, items[2], tmp_path / "parts" / items[2].name, *ends)
    for file in items:
        whole, sliced, part = (tmp_path / name / file.name for name in ("whole", "sliced", "parts"))
        assert part.read_bytes() == sliced.read_bytes()
        assert Dots().read(whole).tolist() == pytest.approx(Dots().read(sliced).tolist(), rel=1e-6)
    items[2].write_text("no item")
    said = refused(registry, "translate", saved, *items, tmp_path / "begun", *ends)
    assert str(items[2]) in said and f"{items[1]} (a) -> " in said
    assert sorted(file.name for file in (tmp_path / "begun").iterdir()) == [
        items[0].name, items[1].name,
    ]  # fmt: skip


def test_translate_chooses_among_files(
    registry: Registry, saved: Path, items: list[Path], tmp_path: Path
) -> None:
    folder, out = tmp_path / "choice", tmp_path / "out.json"
    folder.mkdir()
    copies = [folder / file.name for file in items]
    for file, copy in zip(items, copies, strict=True):
        copy.write_bytes(file.read_bytes())
    done(registry, "translate", saved, items[1], out, "--source", "a", "--among", folder)
    translator = Translator.load(saved, registry)
    [wanted] = translator.translate([items[1]], "a", "b", among=copies)
    assert Dots().read(out).tolist() == pytest.approx(wanted.tolist())


def test_what_is_chosen_needs_not_be_made(
    registry: Registry, items: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Swap, "directions", lambda self: [("a", "b")])
    translator = Translator({name: Dots() for name in "abc"}, Swap())
    translator.connect()
    translator.save(tmp_path / "saved")
    call = ("translate", tmp_path / "saved", items[1], tmp_path / "out.json", "--source", "a")
    assert "say --target NAME" in refused(registry, *call, "--among", items[0])
    done(registry, *call)


def test_what_is_chosen_among_is_not_written_over(
    registry: Registry, saved: Path, items: list[Path], tmp_path: Path
) -> None:
    before = [file.read_bytes() for file in items]
    for out in (items[2], tmp_path / "sub" / ".." / "item2.json"):
        call = ("translate", saved, items[0], out, "--source", "a", "--among", tmp_path)
        assert "item2.json is an input, and would be lost" in refused(registry, *call)
    assert [file.read_bytes() for file in items] == before


def test_translate_refuses(
    registry: Registry, saved: Path, items: list[Path], tmp_path: Path
) -> None:
    first, out = items[0], tmp_path / "out.json"

    def told(*arguments: object) -> str:
        return refused(registry, "translate", saved, *arguments)

    assert "several domains (a, b) may be the source for '.json'" in told(first, out)
    assert "no domain may be the source for '.xyz'" in told(tmp_path / "a.xyz", out)
    assert "no domain 'c'; the domains are a, b" in told(first, out, "--source", "c")
    assert "no such file or folder" in told(tmp_path / "gone.json", out, "--source", "a")
    assert "2 inputs do not fit into one file" in told(first, items[1], out, "--source", "a")
    assert "two inputs have the same name" in told(first, first, tmp_path / "x", "--source", "a")
    before = first.read_bytes()
    for places in ((first, first), (first, items[1], tmp_path)):
        assert "item0.json is an input, and would be lost" in told(*places, "--source", "a")
    assert first.read_bytes() == before
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no file that ends in .json" in told(empty, tmp_path, "--source", "a")
    first.write_text("[1, 2")
    assert "not a JSON list" in told(first, out, "--source", "a")
    assert "cannot be made" in told(items[1], first / "x" / "y.json", "--source", "a")
    assert "holds no translator" in refused(registry, "translate", empty, items[1], out)


def test_sample_and_interpolate(
    registry: Registry, saved: Path, items: list[Path], tmp_path: Path
) -> None:
    done(registry, "sample", saved, tmp_path / "drawn", "-n", 2)
    assert sorted(str(p.relative_to(tmp_path / "drawn")) for p in tmp_path.glob("drawn/*/*")) == [
        "a/000.json",
        "a/001.json",
        "b/000.json",
        "b/001.json",
    ]
    way = (*items[:2], tmp_path / "way", "--source", "a", "--steps", 4)
    done(registry, "interpolate", saved, *way)
    assert len(list((tmp_path / "way").iterdir())) == 4


def test_a_way_is_not_written_over_its_ends(
    registry: Registry, saved: Path, items: list[Path], tmp_path: Path
) -> None:
    first = items[0].rename(tmp_path / "001.json")
    last = items[1].rename(tmp_path / "seen.png")
    before = first.read_bytes(), last.read_bytes()
    call = ("interpolate", saved, first, last)
    for places, lost in (
        ((tmp_path,), first),
        ((tmp_path / "way", "--grid", last), last),
        ((tmp_path / "way.gif", "--grid", last), last),
    ):
        told = refused(registry, *call, *places, "--source", "a", "--target", "b")
        assert f"{lost} is an input, and would be lost" in told
    assert (first.read_bytes(), last.read_bytes()) == before
    assert not (tmp_path / "way.gif").exists()


def test_another_folder_has_a_state_of_its_own(
    registry: Registry, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(registry, "train", recipe)
    recipe.write_text(recipe.read_text().replace("[training]", "[training]\nseed = 5"))
    told = refused(registry, "train", recipe)
    assert "seed is 0 there and 5 here; choose another folder, or delete" in told
    other = tmp_path / "other"
    assert f"saved {other}" in done(registry, "train", recipe, "--out", other)
    assert (other / "checkpoint").is_dir() and (other / "config.json").is_file()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # which is not the recipe's folder
    done(registry, "train", recipe, "--out", "out")
    assert {path.name for path in Path("out").iterdir()} >= {"checkpoint", "config.json"}


def test_a_path_that_cannot_be_is_no_fault(
    registry: Registry, saved: Path, items: list[Path]
) -> None:
    long = "x" * 300
    for call in (
        ("translate", saved, items[0], long, "--source", "a", "--target", "b"),
        ("translate", saved, long, "out", "--source", "a", "--target", "b"),
        ("evaluate", saved, long),
        ("index", saved, long, items[0], "--domain", "a"),
    ):
        told = refused(registry, *call)
        assert f"Error: {long}" in told and "too long" in told and "fault" not in told


def test_what_was_measured_is_shown_where_it_cannot_be_written(
    registry: Registry, saved: Path, recipe: Path
) -> None:
    manifest = recipe.parent / "plain.csv"
    manifest.write_text("a,b\n0.json,1.json\n1.json,0.json\n")
    (saved / "card.json").mkdir()
    told = refused(registry, "evaluate", saved, manifest)
    assert "| a → b | mse | " in told and "cannot write" in told


def test_a_fault_is_said_in_a_line(registry: Registry) -> None:
    @click.command()
    def broken() -> None:
        raise KeyError("oops")

    class Broken:
        @hookimpl
        def register_commands(self) -> dict[str, Any]:
            return {"broken": broken}

    registry.register(Broken(), "broken", "acme", "1")
    found = run(registry, "broken")
    assert found.exit_code == 1
    assert re.search(r"unexpected KeyError: 'oops' \(.*, line \d+\); .* --debug", found.output)
    assert "test_commands.py" in found.output
    assert isinstance(run(registry, "--debug", "broken").exception, KeyError)
