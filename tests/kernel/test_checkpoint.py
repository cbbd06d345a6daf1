"""States on disk: what they hold, and whose they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from kernel_toys import Toy, again, same, single, stages, stopped, table, train, weights
from torch import nn

from transmodal.core.errors import CheckpointError, TrainingError
from transmodal.core.kernel import Kernel, Resumed, Saved, Training, checkpoint
from transmodal.core.kernel.checkpoint import _apart
from transmodal.core.stage import Adam, Phase


def test_the_last_two_states_are_kept_as_json_and_safetensors(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"state-{n}.{kind}" for n in (6, 7) for kind in ("json", "safetensors")]
    facts = json.loads((folder / "state-7.json").read_text())
    assert (facts["format"], facts["stage"], facts["step"]) == (1, 0, 7)
    assert facts["identity"]["both.make.ema"] == 0.9


@pytest.mark.parametrize("after", [1, 5, 12, 15])
def test_a_stopped_run_goes_on_to_the_same_bits(
    after: int, tmp_path: Path, unbroken: dict[str, torch.Tensor]
) -> None:
    stopped(tmp_path, after)
    events, model = again(tmp_path)
    stage, step = ("both", after) if after < 12 else ("judge", after - 12)
    assert (events[0].stage, events[0].step, events[0].warning) == (stage, step, "")
    assert same(weights(model), unbroken)


def test_so_does_one_on_two_threads(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    try:
        whole = Toy()
        train(whole, stages(whole, 12))
        stopped(tmp_path, 5)
        assert same(weights(again(tmp_path)[1]), weights(whole))
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("settings", [{"accumulate": 3}, {"precision": "fp16"}])
def test_accumulated_batches_and_scales_go_on_too(tmp_path: Path, settings: Any) -> None:
    whole = Toy()
    train(whole, stages(whole, 12), **settings)
    stopped(tmp_path, 5, **settings)
    assert same(weights(again(tmp_path, **settings)[1]), weights(whole))


def test_a_finished_run_is_not_run_again(tmp_path: Path, unbroken: dict[str, torch.Tensor]) -> None:
    again(tmp_path)
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.iterdir())
    events, model = again(tmp_path)
    assert [type(event) for event in events] == [Resumed]
    assert before == sorted(path.stat().st_mtime_ns for path in tmp_path.iterdir())
    first = Toy(seed=99)
    train(first, stages(first, 12))
    assert same(weights(model), weights(first))
    assert not same(weights(model), unbroken)


def test_strays_of_killed_runs_are_removed(folder: Path) -> None:
    strays = [folder / ".state-8.safetensors.123.part", folder / "state-8.safetensors"]
    for stray in strays:
        stray.write_bytes(b"half")
    other = folder / "notes.txt"
    other.write_text("mine")
    again(folder)
    assert not any(stray.exists() and stray.read_bytes() == b"half" for stray in strays)
    assert other.exists()


def test_a_newer_format_is_refused(folder: Path) -> None:
    path = folder / "state-7.json"
    facts = json.loads(path.read_text())
    facts["format"] = 2
    del facts["sha256"]["facts"]
    facts["sha256"]["facts"] = checkpoint._digest(facts)
    path.write_text(json.dumps(facts))
    with pytest.raises(CheckpointError, match=r"state-7\.json: format is 2, and this version .* 1"):
        again(folder)


def test_a_pickle_is_no_state(folder: Path) -> None:
    for n in (6, 7):
        torch.save({"a": 1}, folder / f"state-{n}.json")
    with pytest.raises(CheckpointError, match="is damaged"):
        again(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"precision": "bf16"}, "precision is 'fp32' there and 'bf16' here"),
        ({"accumulate": 2}, "accumulate is 1 there and 2 here"),
    ],
)
def test_the_state_of_another_training_is_refused(
    settings: dict[str, Any], message: str, folder: Path
) -> None:
    with pytest.raises(CheckpointError, match=rf"state-7\.json belongs to .*: {message}; choose"):
        again(folder, **settings)


def test_other_stages_and_other_data_are_foreign(folder: Path) -> None:
    model = Toy()
    plan = stages(model, 12)
    maker = replace(plan[0].phases[0], optimizer=Adam(lr=0.5))
    other = [replace(plan[0], phases=[maker, plan[0].phases[1]]), plan[1]]
    with pytest.raises(CheckpointError, match=r"both\.make\.optimizer is .*0\.01.* and .*0\.5"):
        train(model, other, checkpoint=folder)
    with pytest.raises(CheckpointError, match="both.steps is 12 there and 14 here"):
        train(model, stages(model, 14), checkpoint=folder)
    with pytest.raises(CheckpointError, match="dots.items is 96 there and 40 here"):
        train(model, plan, table(torch.zeros(40, 6)), checkpoint=folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: setattr(m.judge, "2", nn.Linear(8, 2)), r"judge\.2\.bias is float32\[1\] there"),
        (lambda m: m.register_buffer("more", torch.zeros(2)), "model/more is missing there"),
        (lambda m: m.make.double(), r"model/make\.0\.bias is .* there and float64\[12\] here"),
    ],
)
def test_a_changed_model_is_refused_by_field(change: Any, message: str, folder: Path) -> None:
    model = Toy()
    change(model)
    before = weights(model)
    with pytest.raises(CheckpointError, match=rf"state-7\.json: .*{message}"):
        train(model, stages(model, 12), checkpoint=folder)
    assert same(weights(model), before)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot keep states in .*file: "):
        again(tmp_path / "file")


def test_a_kill_between_the_two_files_of_a_state_leaves_no_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    written: list[str] = []
    real = checkpoint.write_atomically

    def one_file(path: Path, content: Any) -> None:
        if written:
            raise Killed
        written.append(path.name)
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_atomically", one_file)
        with pytest.raises(Killed):
            again(folder, save_every=0.0)
    assert written == ["state-8.safetensors"]
    events, _ = again(folder)
    assert (events[0].step, events[0].warning) == (7, "")


def test_patience_goes_on_over_a_resume(tmp_path: Path) -> None:
    def plan(model: Toy, fine: int) -> Any:
        calls = iter(range(100))

        def objective(given: Any) -> Any:
            worth = 1.0 if next(calls) < fine else float("nan")
            return {"l2": worth * model.plain(given)["plain"]}

        return [replace(single(model, 40)[0], phases=[Phase("all", [model], objective)])]

    model, settings = Toy(norm=False), {"checkpoint": tmp_path, "patience": 5}
    chosen = Training(device="cpu", save_every=0.0, **settings)  # type: ignore[arg-type]
    for event in Kernel(model, plan(model, 2), table(), chosen).run():
        if isinstance(event, Saved) and event.step == 5:
            break
    with pytest.raises(TrainingError, match="6 times in a row, last at step 8"):
        train(model, plan(model, 0), save_every=0.0, **settings)


def test_a_training_past_patience_keeps_its_last_state(tmp_path: Path) -> None:
    model = Toy(norm=False)
    calls = iter(range(100))

    def objective(given: Any) -> Any:
        worth = 1.0 if next(calls) < 6 else float("nan")
        return {"l2": worth * model.plain(given)["plain"]}

    plan = [replace(single(model, 40)[0], phases=[Phase("all", [model], objective)])]
    with pytest.raises(TrainingError, match="3 times in a row, last at step 9"):
        train(model, plan, checkpoint=tmp_path, save_every=0.0, patience=2)
    state = checkpoint.Folder(tmp_path, json.loads(
        max(tmp_path.glob("*.json")).read_text())["identity"]).load()  # fmt: skip
    assert state is not None
    assert all(bool(t.isfinite().all()) for n, t in state.tensors.items() if "model" in n)


def test_of_many_settings_those_that_differ_are_told() -> None:
    one = "Swap(width=4, steps=400, domains=(1, 2), rate=0.1)"
    assert _apart(one, one.replace("400", "500")) == ("steps=400", "steps=500")
    assert _apart(one, "Other" + one[4:]) == ("Swap", "Other")
    assert _apart(one, one.replace("2)", "3)")) == ("domains=(1, 2)", "domains=(1, 3)")
    assert _apart("S(a=T(b=1, c=2))", "S(a=T(b=3, c=2))") == ("a=T(b=1, c=2)", "a=T(b=3, c=2)")
    assert _apart("S(a=1)", "S(a=1, c=1)") == ("without it", "c=1")
    assert _apart(3, None) == ("3", "None")
