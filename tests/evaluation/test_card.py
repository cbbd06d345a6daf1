import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from transmodal.core.errors import DataError
from transmodal.core.evaluation.card import Card, versions
from transmodal.core.evaluation.comparison import Comparison
from transmodal.core.evaluation.transfer import Evaluation, count_transfer


def evaluation() -> Evaluation:
    true = torch.tensor([0, 0, 0, 1])
    right = count_transfer("a", "b", true=true, read=true, predicted=true, classes=2, frechet=0.5)
    wrong = count_transfer("b", "a", true=true, read=true, predicted=1 - true, classes=2)
    same = [
        count_transfer(d, d, true=true, read=true, predicted=true, classes=2) for d in ("a", "b")
    ]
    return Evaluation(("a", "b"), ("no", "yes"), {"a": 0.975, "b": 1.0}, (right, wrong, *same))


def card() -> Card:
    return Card(
        title="a and b",
        domains={
            "a": {
                "modality": "image",
                "units": "grey in [0, 1]",
                "settings": {"size": 28},
                "train": 60000,
                "test": 5000,
                "labelled": 100,
            },
            "b": {"modality": "speech", "units": "log-mel | 8 kHz"},
        },
        bridge={"name": "bridging-vae", "settings": {"width": 16}},
        classes=["no", "yes"],
        training={
            "steps": {"latent/a": 12000},
            "seconds": 61.7,
            "seed": 12345,
            "precision": "bf16",
            "versions": versions(),
        },
        results=evaluation().as_dict(),
        intended="To translate a into b.",
        limits=["It knows two classes."],
        pictures={"grid.png": "A grid of translations"},
    )


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    card().write(tmp_path / "out")
    assert Card.read(tmp_path / "out") == card()
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == ["README.md", "card.json"]


def test_a_folder_may_be_a_text(tmp_path: Path) -> None:
    card().write(str(tmp_path / "new"))
    assert Card.read(str(tmp_path / "new")) == card()


def test_the_same_card_writes_the_same_bytes_wherever_it_is_written(tmp_path: Path) -> None:
    for name in ("one", "two"):
        card().write(tmp_path / name)
    for file in ("card.json", "README.md"):
        written = (tmp_path / "one" / file).read_bytes()
        assert written == (tmp_path / "two" / file).read_bytes()
        assert str(tmp_path).encode() not in written


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    card().write(tmp_path)
    page = (tmp_path / "README.md").read_text()
    low = "51.0 %"  # Wilson, 4 of 4
    assert f"| a → b | 100.0 % | {low} to 100.0 % | 100.0 % | 4 | 50.0 % | 75.0 % | 0.5 |" in page
    assert "| b → a | 0.0 % |" in page
    assert "| a | 97.5 % |" in page
    assert "| no | 3 | 0 |" in page
    assert "| a | image | grey in [0, 1] | 60,000 | 100 | 5,000 |" in page
    assert r"| b | speech | log-mel \| 8 kHz |  |  |  |" in page
    assert "| steps: latent/a | 12,000 |" in page
    assert "| seed | 12345 |" in page
    assert "| seconds | 62 |" in page
    assert "- It knows two classes." in page
    assert "![A grid of translations](grid.png)" in page


def test_the_page_says_what_was_compared(tmp_path: Path) -> None:
    whole, found = card(), evaluation()
    both = (
        Comparison("a", "b", "wer", 1234, 0.123456, 1.5),
        Comparison("b", "a", "psnr", 1, None, None),
    )
    lines = "| a → b | wer | 0.1235 | 1.5 | 1,234 |\n| b → a | psnr | not finite |  | 1 |"
    compared = replace(whole, results=replace(found, comparisons=both).as_dict())
    compared.write(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert lines in page and "### Confusion" in page and Card.read(tmp_path) == compared
    alone = Evaluation(("a", "b"), (), {}, (), both)
    replace(whole, results=alone.as_dict()).write(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert lines in page and "Confusion" not in page and "judge" not in page
    del whole.results["comparisons"]  # as cards were written before there were any
    whole.write(tmp_path)
    assert "### Confusion" in (tmp_path / "README.md").read_text()


def test_every_row_of_a_table_has_as_many_cells_as_its_head(tmp_path: Path) -> None:
    card().write(tmp_path)
    blocks = (tmp_path / "README.md").read_text().split("\n\n")
    tables = [block.replace("\\|", "").splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) == 11  # 3 of figures, 4 confusions, domains, 2 of settings, training
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1


def test_a_setting_as_long_as_a_model_is_cut_on_the_page_alone(tmp_path: Path) -> None:
    long = "Cg4K" * 6000
    known = card()
    known.domains["a"]["settings"] = {"size": 28, "model": long}
    known.bridge["settings"]["tasks"] = [["a", "b"]] * 20
    known.write(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert len(page) < 10_000
    assert "| a | size | 28 |" in page
    assert "... (24,002 characters; card.json has them all) |" in page
    assert str([["a", "b"]] * 3)[:-1].replace("'", '"') in page
    assert Card.read(tmp_path) == known


def test_names_are_no_html(tmp_path: Path) -> None:
    replace(card(), title="<b>a & b", classes=["<s>", "yes"]).write(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert page.startswith("# &lt;b>a &amp; b\n") and "Classes (2): &lt;s>, yes." in page


def test_a_card_without_results_is_still_a_card(tmp_path: Path) -> None:
    small = Card("t", {"a": {"modality": "image"}}, {"name": "b"})
    small.write(tmp_path)
    assert Card.read(tmp_path) == small
    assert "Results" not in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("value", [Path("out"), float("nan"), torch.zeros(1)])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="the card's training cannot be written as JSON"):
        Card("t", {}, {}, training={"x": value})


@pytest.mark.parametrize("text", [None, "{", '{"title": "t", "colour": "red"}', "[1]"])
def test_a_damaged_card_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "card.json").write_text(text)
    with pytest.raises(DataError, match="no card can be read from"):
        Card.read(tmp_path)


def test_versions_name_python_and_torch() -> None:
    found = versions()
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert json.dumps(found)
