"""Runs that end anywhere go on to the same bits: kill -9, signals, two processes."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from kernel_toys import Toy, same, script, stages, table, train, weights
from torch import Tensor

from transmodal.core.kernel import Interrupted, Kernel, Progress, Resumed, Saved, Training, noise
from transmodal.core.stage import Batch, Stage


def test_ten_kills_at_random_moments_change_no_bit(tmp_path: Path) -> None:
    assert "killed 10, " in script("kernel_toys.py", tmp_path, 10, 1, seconds=200)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_fifty_kills_of_trainings_on_two_threads_change_no_bit(tmp_path: Path) -> None:
    assert "killed 50, " in script("kernel_toys.py", tmp_path, 50, 2, seconds=1200)


def test_two_processes_equal_one_and_resume_exactly(tmp_path: Path) -> None:
    assert "resume exactly" in script("kernel_pair.py", tmp_path, seconds=200)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    earlier = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
    yield
    for which, handler in earlier.items():
        assert signal.getsignal(which) is handler
        signal.signal(which, handler)


def signalling(model: Toy, turn: int, which: signal.Signals) -> list[Stage]:
    """The toy's stages, whose judge sends this process a signal at one of its turns."""
    plan, turns = stages(model, 12), iter(range(1, 10**6))

    def tell(given: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        if next(turns) == turn:
            os.kill(os.getpid(), which)
        return model.tell(given)

    maker, judge = plan[0].phases
    return [replace(plan[0], phases=[maker, replace(judge, objective=tell)]), plan[1]]


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("turn", [1, 6, 17, 24])
def test_a_signal_ends_the_run_after_the_step_with_a_state(
    which: signal.Signals, turn: int, tmp_path: Path
) -> None:
    whole, broken, resumed = Toy(), Toy(), Toy(seed=51)
    train(whole, stages(whole, 12))
    events = train(broken, signalling(broken, turn, which), checkpoint=tmp_path)
    step = (turn + 1) // 2
    assert events[-1] == Interrupted("both", step, which.name)
    assert [(e.stage, e.step) for e in events if isinstance(e, Saved)] == [("both", step)]
    events = train(resumed, stages(resumed, 12), checkpoint=tmp_path)
    assert isinstance(events[0], Resumed)
    assert same(weights(resumed), weights(whole))


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    model = Toy()
    plan = stages(model, 12)

    def twice(given: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second signal came too late")

    maker = replace(plan[0].phases[0], objective=twice)
    plan[0] = replace(plan[0], phases=[maker, plan[0].phases[1]])
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(model, plan, checkpoint=tmp_path)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, earlier)
    assert not list(tmp_path.iterdir())


def test_without_a_folder_signals_are_left_alone() -> None:
    model = Toy()
    run = Kernel(model, stages(model, 12), table(), Training(device="cpu", log_every=1)).run()
    before = signal.getsignal(signal.SIGINT)
    while not isinstance(next(run), Progress):
        pass
    assert signal.getsignal(signal.SIGINT) is before
    run.close()


def test_another_thread_trains_without_touching_signals(tmp_path: Path) -> None:
    model, events = Toy(), []
    plan = stages(model, 4)
    thread = threading.Thread(target=lambda: events.extend(train(model, plan, checkpoint=tmp_path)))
    thread.start()
    thread.join()
    assert type(events[-1]).__name__ == "StageFinished"


def test_a_run_left_half_way_gives_back_handlers_and_gradients(tmp_path: Path) -> None:
    model = Toy()
    chosen = Training(device="cpu", log_every=1, checkpoint=tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    for event in Kernel(model, stages(model, 12), table(), chosen).run():
        if isinstance(event, Progress):
            assert signal.getsignal(signal.SIGTERM) is not before
            break
    assert all(p.requires_grad for p in model.parameters())


def test_states_are_saved_by_time_and_at_the_ends_of_stages(tmp_path: Path) -> None:
    model = Toy()
    often = train(model, stages(model, 6), checkpoint=tmp_path / "often", save_every=0.0)
    saves = [(e.stage, e.step) for e in often if isinstance(e, Saved)]
    assert saves == [("both", n) for n in range(1, 7)] + [("judge", n) for n in range(1, 4)]
    other = Toy()
    seldom = train(other, stages(other, 6), checkpoint=tmp_path / "seldom", save_every=1000.0)
    assert [(e.stage, e.step) for e in seldom if isinstance(e, Saved)] == [
        ("both", 6),
        ("judge", 3),
    ]


def test_noise_of_every_generator_is_kept() -> None:
    import numpy

    noise.seed(3)
    random.gauss(0, 1)
    numpy.random.standard_normal()
    kept = noise.capture()

    def some() -> list[float]:
        return [random.gauss(0, 1), float(numpy.random.standard_normal()), float(torch.randn(()))]

    first = some()
    assert some() != first
    noise.restore(kept)
    assert some() == first
