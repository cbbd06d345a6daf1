"""What recipes have in common: trained once, kept, and never mistaken for another's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from transmodal.cookbook.judging import kept_judge
from transmodal.cookbook.work import Work, remembered, trained, translator_file
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.errors import CheckpointError, SettingError
from transmodal.core.evaluation.judge import train_judge
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator
from transmodal.plugins.image.modality import Image
from transmodal.plugins.speech.modality import Speech


def test_a_translator_of_other_settings_is_not_taken_for_the_recipes(tmp_path: Path) -> None:
    work = Work(tmp_path, "fp32")
    calls = []

    def pictures() -> Table:
        calls.append("records")
        columns = {d: Memory(Signal(torch.rand(6, 1, 8, 8)), torch.full((6,), -1)) for d in "ab"}
        return Table(columns, ())

    def make(width: int, std: float = 0.1) -> Translator:
        bridge = UniversalAttention(tasks=[("a", "b")], styled=(), width=width, steps=1, batch=2)
        return Translator({"a": Image(size=8, std=std), "b": Image(size=8)}, bridge)

    for _ in range(2):
        found = trained(work, "toy", 0, lambda: make(8), pictures)
        assert found.connected and len(calls) == 1
    place = tmp_path / "translators" / "toy-0"
    assert work.translator("toy", 0) == place and (place / "config.json").is_file()
    assert tmp_path / translator_file("toy", 0) == place / "model.safetensors"
    assert remembered(tmp_path / "seconds", "toy", [0, 1])[0]["seconds"] > 0
    with pytest.raises(SettingError, match="the recipe's: bridge has width 8, not 16; delete"):
        trained(work, "toy", 0, lambda: make(16), pictures)
    bridge = UniversalAttention(tasks=[("a", "c")], styled=())
    other = Translator({"a": Image(size=8), "c": Image(size=8)}, bridge)
    with pytest.raises(SettingError, match="has the domains a, b, and the recipe's are a, c"):
        trained(work, "toy", 0, lambda: other, pictures)
    kinds = Translator({"a": Image(size=8), "b": Speech(seconds=0.15)}, make(8).bridge)
    with pytest.raises(SettingError, match="another kind than the recipe's: b is Image, not Sp"):
        trained(work, "toy", 0, lambda: kinds, pictures)
    with pytest.raises(SettingError, match=r"a has std 0\.1, not 0\.2; delete"):
        trained(work, "toy", 0, lambda: make(8, std=0.2), pictures)


def test_others_never_stand_beside_the_figures_to_record() -> None:
    out = Path("some-work")
    assert Work.of(out, quick=False) == Work(out)
    assert Work.of(out, quick=True) == Work(out / "quick", quick=True)
    held = Work.of(out, quick=False, validate=True)
    assert held == Work(out / "validate", validate=True) and held.options == " --validate"
    both = Work.of(out, True, validate=True)
    assert both == Work(out / "quick-validate", quick=True, validate=True)
    exact = Work.of(out, True, precision="fp32")
    assert exact == Work(out / "quick-fp32", "fp32", quick=True)
    assert (Work(out).options, exact.options) == ("", " --quick --precision fp32")


def test_the_seconds_of_a_training_that_was_deleted_are_forgotten(tmp_path: Path) -> None:
    def stopped() -> Table:
        raise KeyboardInterrupt

    bridge = UniversalAttention(tasks=[("a", "b")], styled=())
    new = Translator({"a": Image(size=8), "b": Image(size=8)}, bridge)
    (tmp_path / "seconds").mkdir()
    (tmp_path / "seconds" / "toy-0.json").write_text('{"seconds": 7.0}')
    with pytest.raises(KeyboardInterrupt):
        trained(Work(tmp_path), "toy", 0, lambda: new, stopped)
    assert not remembered(tmp_path / "seconds", "toy", [0])


def test_one_that_began_from_another_is_not_taken_for_the_recipes(tmp_path: Path) -> None:
    work = Work(tmp_path, "fp32")
    columns = {d: Memory(Signal(torch.rand(6, 1, 8, 8)), torch.full((6,), -1)) for d in "ab"}
    parent = tmp_path / "weights" / "parent.safetensors"

    def made() -> Translator:
        bridge = UniversalAttention(tasks=[("a", "b")], styled=(), width=8, steps=1, batch=2)
        return Translator({"a": Image(size=8), "b": Image(size=8)}, bridge)

    def child() -> None:
        after = ["weights/parent.safetensors"]
        trained(work, "child", 0, made, lambda: Table(columns, ()), after)
        work.keep("net", torch.nn.Linear(2, 2), lambda net: None, after)

    parent.parent.mkdir()
    parent.write_bytes(b"first")
    child()
    child()
    parent.write_bytes(b"second")
    with pytest.raises(SettingError, match=r"child-0 began from another weights/parent"):
        child()
    with pytest.raises(SettingError, match=r"net.safetensors began from another weights/parent"):
        work.keep("net", torch.nn.Linear(2, 2), lambda net: None, ["weights/parent.safetensors"])
    (tmp_path / "states" / "half").mkdir()
    (tmp_path / "origins" / "half.json").write_text("{}")
    with pytest.raises(SettingError, match="half began from an unknown weights/parent"):  # stopped
        work.check_origin("half", tmp_path / "half", ["weights/parent.safetensors"])
    (tmp_path / "origins" / "child-0.json").unlink()
    with pytest.raises(SettingError, match="began from an unknown weights/parent"):
        child()


def test_a_judge_is_trained_once(tmp_path: Path) -> None:
    work, calls = Work(tmp_path), []
    pictures, labels = torch.rand(6, 1, 8, 8), torch.arange(6) % 2

    def items() -> Memory:
        calls.append("items")
        return Memory(Signal(pictures), labels)

    def judge() -> dict[str, torch.Tensor]:
        kept = kept_judge(work, "toy", Image(size=8), 2, items, seed=5, steps=2, batch=4)
        return kept.state_dict()

    first, again = judge(), judge()
    assert calls == ["items"] and (tmp_path / "weights" / "toy.safetensors").is_file()
    own = train_judge(Image(size=8), Signal(pictures), labels, 2, seed=5, steps=2, batch=4)
    for key, value in own.state_dict().items():
        assert torch.equal(first[key], value) and torch.equal(again[key], value)
    exact = kept_judge(
        Work(tmp_path / "exact", "fp32"), "toy", Image(size=8), 2, items, seed=5,
        steps=2, batch=4,
    ).state_dict()  # fmt: skip
    assert any(not torch.equal(exact[key], value) for key, value in own.state_dict().items())


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    work = Work(tmp_path)
    for measure in (lambda: {"x": 1.0}, dict):
        assert work.remember("row-3", measure, of=[]) == {"x": 1.0}
    assert remembered(tmp_path / "values", "row", [2, 3]) == {3: {"x": 1.0}}


def test_what_was_measured_of_another_model_is_refused(tmp_path: Path) -> None:
    work, model = Work(tmp_path), tmp_path / "model"

    def measured(x: float) -> dict[str, float]:
        return work.remember("row-0", lambda: {"x": x}, of=["model"])

    model.write_bytes(b"first")
    assert measured(1.0) == measured(2.0) == {"x": 1.0}
    model.write_bytes(b"second")
    with pytest.raises(SettingError, match=r"row-0.json was measured of another model; delete it"):
        measured(2.0)
    (tmp_path / "values" / "row-0.json").unlink()
    assert measured(2.0) == {"x": 2.0}
    (tmp_path / "origins" / "values-row-0.json").unlink()
    with pytest.raises(SettingError, match="measured of an unknown model"):
        measured(2.0)
    model.unlink()
    with pytest.raises(SettingError, match="measured of model, which is gone; delete it"):
        measured(2.0)


def test_what_is_trained_only_to_be_measured_is_put_down_too(tmp_path: Path) -> None:
    work, calls = Work(tmp_path), []

    def measured() -> dict[str, float]:
        def measure() -> dict[str, float]:
            calls.append("measure")
            (tmp_path / "model").write_bytes(b"trained")
            return {"x": 1.0}

        return work.remember("row-0", measure, of=["model"])

    assert measured() == measured() == {"x": 1.0}
    (tmp_path / "model").unlink()
    with pytest.raises(SettingError, match="measured of model, which is gone; delete it"):
        measured()
    (tmp_path / "model").write_bytes(b"trained again, elsewhere")
    with pytest.raises(SettingError, match="row-0.json was measured of another model; delete it"):
        measured()
    assert calls == ["measure"]
    (tmp_path / "values" / "row-0.json").unlink()
    assert measured() == {"x": 1.0}


@pytest.mark.parametrize("text", ["", '{"x": 1', "[1]", "\0"])
def test_damaged_values_are_named_and_stay(text: str, tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.remember("row-0", lambda: {"x": 1.0}, of=[])
    for name in ("values/row-0.json", "origins/values-row-0.json"):
        path = tmp_path / name
        before = path.read_text()
        path.write_text(text)
        with pytest.raises(CheckpointError, match=rf"{path.name} is damaged \(.*delete it and run"):
            remembered(tmp_path / "values", "row", [0])
            work.check_values("row-0")
        assert path.read_text() == text
        path.write_text(before)
    assert work.remember("row-0", dict, of=[]) == {"x": 1.0}


def test_damaged_weights_and_those_of_another_net_are_named(tmp_path: Path) -> None:
    work, path = Work(tmp_path), tmp_path / "weights" / "net.safetensors"
    work.keep("net", torch.nn.Linear(2, 2), lambda net: None)
    for other in (torch.nn.Linear(2, 3), torch.nn.PReLU()):
        with pytest.raises(CheckpointError, match=r"net.safetensors is of another net than the re"):
            work.keep("net", other, lambda net: None)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"net.safetensors is damaged \(.*delete it and run"):
        work.keep("net", torch.nn.Linear(2, 2), lambda net: None)
