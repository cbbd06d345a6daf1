"""Recipes of texts whose units are learned from the training records."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from calls import done, refused

from transmodal.core.translator import Translator
from transmodal.plugins.text.modality import Text
from transmodal.registry import Registry

ENGLISH = ["the cat sat", "the dog ran", "a cat ran", "a dog sat", "zebra"]
FRENCH = ["le chat", "le chien", "un chat", "un chien", "zèbre"]

RECIPE = """
[domains.english]
modality = "text"
unit = "piece"
size = 280
longest = 40
hidden = 8
embedding = 8
bank = 1
[domains.french]
modality = "text"
unit = "character"
longest = 40
hidden = 8
embedding = 8
bank = 1
[bridge]
name = "universal-attention"
tasks = [["english", "french"]]
styled = []
adversarial = 0.0
width = 8
steps = 2
batch = 2
[records]
manifest = "all.csv"
[training]
out = "out"
device = "cpu"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe and its records, the last of which is a test record."""
    lines = ["english,french,split"]
    for i, pair in enumerate(zip(ENGLISH, FRENCH, strict=True)):
        for language, text in zip(("english", "french"), pair, strict=True):
            (tmp_path / f"{language}{i}.txt").write_text(text + "\n", encoding="utf-8")
        lines.append(f"english{i}.txt,french{i}.txt,{'train' if i < 4 else 'test'}")
    (tmp_path / "all.csv").write_text("\n".join(lines))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


def trained(recipe: Path) -> Translator:
    registry = Registry.load()
    done(registry, "train", recipe)
    return Translator.load(recipe.parent / "out", registry)


def learned(translator: Translator) -> tuple[str, str]:
    english, french = (translator.domains[name] for name in ("english", "french"))
    assert isinstance(english, Text) and isinstance(french, Text)
    assert (english.unit, french.unit, english.hidden) == ("piece", "character", 8)
    return english.model, french.alphabet


def test_units_are_learned_of_the_training_records_and_kept(recipe: Path) -> None:
    model, alphabet = learned(trained(recipe))
    assert model == Text.learned(ENGLISH[:4], size=280).model
    assert alphabet == "".join(sorted(set("".join(FRENCH[:4]))))  # no è, which is for the test
    out = recipe.parent / "french.txt"
    done(Registry.load(), "translate", recipe.parent / "out", recipe.parent / "english4.txt",
         out, "--source", "english", "--target", "french")  # fmt: skip
    assert out.is_file()


def test_texts_in_the_manifest_itself_are_as_good_as_files(recipe: Path) -> None:
    of_files = trained(recipe)
    pairs = zip(ENGLISH, FRENCH, ("train",) * 4 + ("test",), strict=True)
    lines = ["english,french,split", *map(",".join, pairs)]
    inline = recipe.parent / "inline.csv"
    inline.write_text("\n".join(lines), encoding="utf-8")
    columns = 'manifest = "inline.csv"\ninline = ["english", "french"]'
    recipe.write_text(RECIPE.replace('manifest = "all.csv"', columns).replace('"out"', '"other"'))
    registry = Registry.load()
    done(registry, "train", recipe)
    translator = Translator.load(recipe.parent / "other", registry)
    assert learned(translator) == learned(of_files)
    assert weights_alike(translator, of_files)
    both = ("--inline", "english", "--inline", "french")
    said = done(registry, "evaluate", recipe.parent / "other", inline, *both)
    assert said == done(registry, "evaluate", recipe.parent / "out", recipe.parent / "all.csv")
    assert "field 'english': no such file" in refused(
        registry, "evaluate", recipe.parent / "other", inline
    )


def weights_alike(one: Translator, other: Translator) -> bool:
    first, second = one.bridge.state_dict(), other.bridge.state_dict()
    return list(first) == list(second) and all(map(torch.equal, first.values(), second.values()))


def test_a_training_that_goes_on_learns_the_same_units(recipe: Path) -> None:
    first = learned(trained(recipe))
    assert (recipe.parent / "out" / "checkpoint").is_dir()
    assert learned(trained(recipe)) == first


def test_domains_of_one_modality_learn_of_the_texts_of_both(recipe: Path) -> None:
    start, rest = RECIPE.split("[domains.french]")
    twin = '[domains.french]\nsame_as = "english"\n[bridge]' + rest.split("[bridge]")[1]
    recipe.write_text(start.replace("piece", "character").replace("size = 280\n", "") + twin)
    translator = trained(recipe)
    english = translator.domains["english"]
    assert english is translator.domains["french"]
    assert isinstance(english, Text)
    assert english.alphabet == "".join(sorted(set("".join(ENGLISH[:4] + FRENCH[:4]))))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("size = 280", "size = 3", "domains.english: text: size must be a whole number >= 4"),
        ("size = 280", "depth = 2", "domains.english: text: Text has no setting 'depth'"),
        ("size = 280", "size = 5", "domains.english: text: no model of 5 pieces from 4 texts"),
        ('unit = "piece"', 'unit = "byte"', "domains.english: Text has no setting 'size'"),
        ('unit = "piece"', 'unit = ["piece"]', "domains.english: Text has no setting 'size'"),
        ("english", "greek", "all.csv: no column 'greek'; the columns are english, french"),
    ],
)
def test_units_that_cannot_be_learned_are_refused(
    recipe: Path, old: str, new: str, says: str
) -> None:
    recipe.write_text(RECIPE.replace(old, new))
    said = refused(Registry.load(), "train", recipe)
    assert "is not a recipe that can run" in said
    assert says in said
    assert not (recipe.parent / "out").exists()


def test_a_text_that_cannot_be_read_is_named(recipe: Path) -> None:
    (recipe.parent / "english2.txt").write_bytes(b"ab\xff")
    said = refused(Registry.load(), "train", recipe)
    assert "domains.english: " in said and "english2.txt: not UTF-8 at byte 2" in said
