"""Steps that are not finite: left out, counted, and in the end an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from kernel_toys import Toy, draws, same, stages, table, train, vectors, weights
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from transmodal.core.errors import TrainingError
from transmodal.core.kernel import Kernel, Progress, Skipped, Training
from transmodal.core.kernel.phases import Player
from transmodal.core.seeds import derived_seed
from transmodal.core.stage import Adam, Batch, Phase, Stage

BAD = (1, 4, 5, 11)


def spoiled(model: Toy, bad: tuple[int, ...], worth: float = float("nan")) -> Any:
    """``Toy.plain`` whose gradients, not its value, turn bad at some calls."""
    calls = iter(range(10**6))

    def objective(given: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        fine = model.plain(given)["plain"]
        return {"plain": fine + Spoil.apply(fine, worth if next(calls) in bad else 0.0)}  # type: ignore[no-untyped-call]

    return objective


class Spoil(torch.autograd.Function):
    """Zero, with a gradient of choice."""

    @staticmethod
    def forward(context: Any, x: Tensor, slope: float) -> Tensor:
        context.slope = slope
        return torch.zeros_like(x)

    @staticmethod
    def backward(context: Any, *given: Tensor) -> tuple[Tensor, None]:
        return given[0] * context.slope, None


def moving(model: Toy) -> list[Tensor]:
    """What an average is of: the generator's weights, and its norm's statistics."""
    running = [buffer for name, buffer in model.make.named_buffers() if "running" in name]
    return [*model.make.parameters(), *running]


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("worth", [float("nan"), float("inf")])
def test_a_bad_step_is_as_if_it_had_not_been(clip: float | None, worth: float, norm: bool) -> None:
    """Weights, norms, moments, counts, schedule and average: all equal to a run without it."""
    ours, theirs = Toy(norm=norm), Toy(norm=norm)
    for model in (ours, theirs):
        model.make[3].p = 0.0
        if norm:  # before a norm a bias has no gradient but rounding, of which Adam makes steps
            model.make[0].bias.requires_grad_(False)
    assert len(moving(ours)) == (8 if norm else 4)
    ours.judge.requires_grad_(False)
    adam = Adam(lr=0.02, warmup=6)
    phase = Phase("all", [ours], spoiled(ours, BAD, worth), clip=clip, ema=0.5, optimizer=adam)
    events = train(ours, [Stage("one", 16, [phase], draws())], log_every=5)
    skips = [event for event in events if isinstance(event, Skipped)]
    assert [(s.step, s.count, s.total) for s in skips] == [(5, 2, 2), (10, 1, 3), (15, 1, 4)]
    assert all(s.terms == () for s in skips)

    torch.manual_seed(derived_seed(0, "one", "noise", 0))
    optimizer = torch.optim.Adam(theirs.make.parameters(), lr=0.02, fused=True)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 6))
    average = [p.detach().clone() for p in moving(theirs)]
    feed = table().feed(draws(), derived_seed(0, "one", "order"))
    taken = 0
    for step, batch in zip(range(16), feed, strict=False):
        if step in BAD:
            continue
        optimizer.zero_grad()
        theirs.plain(batch)["plain"].backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(theirs.make.parameters(), clip)
        optimizer.step()
        warm.step()
        for mean, p in zip(average, moving(theirs), strict=True):
            mean.lerp_(p.detach(), max(0.5, 9 / (10 + taken)))
        taken += 1
    for mean, p in zip(average, moving(ours), strict=True):
        torch.testing.assert_close(p.detach(), mean, rtol=0, atol=1e-6)


def test_means_leave_bad_steps_out_and_name_bad_terms() -> None:
    model, calls = Toy(norm=False), iter(range(100))

    def objective(given: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        scale = float("nan") if next(calls) == 2 else 1.0
        return {"good": model.plain(given)["plain"], "bad": scale * model.plain(given)["plain"]}

    events = train(model, [Stage("one", 4, [Phase("all", [model], objective)], draws())])
    skip = next(event for event in events if isinstance(event, Skipped))
    assert (skip.phase, skip.count, skip.terms) == ("all", 1, ("bad",))
    told = next(event for event in events if isinstance(event, Progress)).losses
    assert told["all/bad"] == pytest.approx(told["all/good"])


def test_past_patience_the_rows_that_are_not_finite_are_named() -> None:
    values = vectors()
    values[37, 2] = float("nan")
    model = Toy(norm=False)
    before = weights(model)
    phase = Phase("all", [model], lambda given: {"rest": model.plain(given)["plain"]})
    plan = [Stage("one", 40, [phase], draws(96))]
    message = (
        r"stage 'one', phase 'all': the terms rest were not finite 4 times in a row, last at "
        r"step 4 with values that are not finite in 'dots' rows 38\. The weights"
    )
    with pytest.raises(TrainingError, match=message):
        train(model, plan, table(values), patience=3, log_every=10)
    assert same(before, weights(model))


def test_where_the_data_are_finite_the_whole_batch_is_named() -> None:
    model = Toy()
    judge = Phase("judge", [model.judge], model.tell, turns=2)
    bad = Phase("all", [model.make], spoiled(model, tuple(range(100))), turns=3)
    feed = table().feed(draws(), derived_seed(0, "one", "order"))
    # Patience 4 ends in the 5th turn of this phase: the 2nd one of step 2, after 2 of the judge.
    rows = [next(feed)["x"].rows["dots"].tolist() for _ in range(9)][-1]
    named = ", ".join(str(row + 1) for row in sorted(rows))  # told from 1
    message = rf"gradients, of finite terms, .* last at step 2 with 'dots' rows {named}\. The"
    with pytest.raises(TrainingError, match=message):
        train(model, [Stage("one", 9, [judge, bad], draws())], patience=4)


def test_patience_counts_steps_in_a_row_over_several_logs() -> None:
    calm, stopped = Toy(), Toy()
    bad = (0, 1, 2, 4, 5, 6)
    train(calm, [Stage("one", 8, [Phase("all", [calm], spoiled(calm, bad))], draws())], patience=3)
    phase = Phase("all", [stopped], spoiled(stopped, (1, 2, 3, 4)))
    with pytest.raises(TrainingError, match="4 times in a row, last at step 5"):
        train(stopped, [Stage("one", 8, [phase], draws())], patience=3, log_every=3)


def test_scalers_are_apart_one_overflow_halves_one_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    players: dict[str, Player] = {}
    made = Player.__init__

    def keep(self: Player, stage: str, phase: Phase, *rest: Any) -> None:
        made(self, stage, phase, *rest)
        players[phase.name] = self

    monkeypatch.setattr(Player, "__init__", keep)
    model = Toy(norm=False)
    maker = Phase("make", [model.make], spoiled(model, (2, 6, 7), float("inf")))
    judge = Phase("judge", [model.judge], model.tell)
    monkeypatch.setattr(
        "transmodal.core.kernel.phases.make_scaler",
        lambda precision, device: torch.amp.GradScaler(device.type, init_scale=1024.0),
    )
    events = train(model, [Stage("both", 10, [maker, judge], draws())], precision="fp16")
    assert [(e.phase, e.total) for e in events if isinstance(e, Skipped)] == [
        ("make", 1),
        ("make", 3),
    ]
    scales = {name: player.scaler.get_scale() for name, player in players.items() if player.scaler}
    assert scales == {"make": 1024.0 / 8, "judge": 1024.0}
    counts = {
        name: {float(state["step"]) for state in player.stepper.torch.state.values()}
        for name, player in players.items()
    }
    assert counts == {"make": {7.0}, "judge": {10.0}}


class Reads(TorchDispatchMode):
    """Counts what makes the host wait for the device."""

    waits = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero", "masked_select", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.count += name in self.waits
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_host_never_waits_between_two_logs(precision: str) -> None:
    model = Toy()
    plan = stages(model, 20)[:1]  # both players, clip, schedule, average
    chosen = Training(precision=precision, device="cpu", log_every=10)  # type: ignore[arg-type]
    run = Kernel(model, plan, table(), chosen).run()
    next(run)
    told: list[int] = []
    player_read = Reads()
    from transmodal.core.kernel import report

    collect = report.Log.collect

    def counting(self: report.Log, step: int) -> Any:
        told.append(player_read.count)
        return collect(self, step)

    with pytest.MonkeyPatch.context() as patch, player_read:
        patch.setattr(report.Log, "collect", counting)
        first = next(run)
        after = player_read.count
        second = next(run)
    assert isinstance(first, Progress) and isinstance(second, Progress)
    assert told[0] == 0
    assert told[1] == after
    assert after > 0  # the mode does see the reads of a log


def test_the_counter_would_see_a_wait() -> None:
    with Reads() as reads:
        float(torch.ones(()) + 1)
    assert reads.count == 1
