"""The loop against loops written by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from kernel_toys import ITEMS, SIZE, Toy, draws, same, single, stages, table, train, weights
from torch import Tensor, nn

from transmodal.core.kernel import Progress, StageFinished, StageStarted
from transmodal.core.seeds import derived_seed
from transmodal.core.stage import Adam, Batch, Phase, Stage
from transmodal.core.table import Table


def batches(stage: str = "one", size: int = 16) -> Iterator[Mapping[str, Batch]]:
    return table().feed(draws(size), derived_seed(0, stage, "order"))


def by_hand(model: Toy, steps: int = 12, clip: float | None = None, **adam: Any) -> Iterator[Toy]:
    """The plainest loop over ``Toy.plain``, after each of its steps."""
    torch.manual_seed(derived_seed(0, "one", "noise", 0))
    kind = torch.optim.AdamW if adam.get("weight_decay") else torch.optim.Adam
    optimizer = kind(model.parameters(), fused=True, **adam)
    model.train()
    for _, batch in zip(range(steps), batches(), strict=False):
        optimizer.zero_grad()
        model.plain(batch)["plain"].backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        yield model


@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("norm", [True, False])
def test_one_phase_is_a_hand_written_loop_bit_for_bit(decay: float, norm: bool) -> None:
    ours, theirs = Toy(norm=norm), Toy(norm=norm)
    train(ours, single(ours, optimizer=Adam(lr=0.01, weight_decay=decay)))
    for _ in by_hand(theirs, lr=0.01, weight_decay=decay):
        pass
    assert same(weights(ours), weights(theirs))
    assert not same(weights(ours), weights(Toy(norm=norm)))


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_where_all_that_learns_has_gradients_the_short_way_gives_the_same_bits(
    decay: float,
) -> None:
    ours, theirs = Toy(norm=False), Toy(norm=False)
    for model in (ours, theirs):
        model.judge.requires_grad_(False)
    train(ours, single(ours, optimizer=Adam(lr=0.01, weight_decay=decay, betas=(0.5, 0.9))))
    for _ in by_hand(theirs, lr=0.01, weight_decay=decay, betas=(0.5, 0.9)):
        pass
    assert same(weights(ours), weights(theirs))
    assert not any(p.requires_grad for p in ours.judge.parameters())


def test_clipping_is_that_of_torch() -> None:
    # Without BatchNorm, before which biases have gradients of rounding errors alone.
    ours, theirs, free = (Toy(norm=False) for _ in range(3))
    train(ours, single(ours, clip=0.01, optimizer=Adam(lr=0.01)))
    for _ in by_hand(theirs, clip=0.01, lr=0.01):
        pass
    train(free, single(free, optimizer=Adam(lr=0.01)))
    for name, value in weights(theirs).items():
        torch.testing.assert_close(weights(ours)[name], value, rtol=0, atol=1e-6)
    assert not same(weights(ours), weights(free))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_clip_near_nothing_stops_the_weights(precision: str) -> None:
    """Adam divides by a norm of 1e-12 plus its eps of 1e-8: steps shrink ten thousandfold."""
    start, clipped, free = Toy(norm=False), Toy(norm=False), Toy(norm=False)
    train(clipped, single(clipped, clip=1e-12), precision=precision)
    train(free, single(free), precision=precision)

    def moved(model: Toy) -> float:
        pairs = zip(model.parameters(), start.parameters(), strict=True)
        return max(float((a - b).detach().abs().max()) for a, b in pairs)

    assert moved(free) > 5e-3
    assert moved(clipped) < 1e-3 * moved(free)


class Slices:
    """A table that answers with one slice of the items after another."""

    def __init__(self, size: int) -> None:
        self.size, self.columns, self.classes = size, table().columns, ()

    def feed(self, *_: object, start: int, **__: object) -> Iterator[Mapping[str, Batch]]:
        column = self.columns["dots"]
        for k in range(start, 10**6):
            index = torch.arange(k * self.size, (k + 1) * self.size) % ITEMS
            part = {"dots": column.take(index)}
            yield {"x": Batch(part, {"dots": column.labels[index]}, {"dots": index})}


@pytest.mark.parametrize("clip", [None, 0.05])
def test_four_accumulated_batches_are_one_of_four_times_the_size(clip: float | None) -> None:
    small, large = Toy(norm=False), Toy(norm=False)
    optimizer = Adam(lr=0.01)
    train(small, single(small, clip=clip, optimizer=optimizer), Slices(8), accumulate=4)  # type: ignore[arg-type]
    train(large, single(large, clip=clip, optimizer=optimizer), Slices(32))  # type: ignore[arg-type]
    for name, value in weights(large).items():
        torch.testing.assert_close(weights(small)[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warmup", [0, 4])
def test_schedules_are_those_of_lambda_lr(schedule: str, warmup: int) -> None:
    def closed_form(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        along = (step - warmup) / (12 - warmup)
        return 0.5 * (1 + math.cos(math.pi * along)) if schedule == "cosine" else 1.0

    ours, theirs = Toy(norm=False), Toy(norm=False)
    train(ours, single(ours, optimizer=Adam(lr=0.02, schedule=schedule, warmup=warmup)))  # type: ignore[arg-type]
    torch.manual_seed(derived_seed(0, "one", "noise", 0))
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.02, fused=True)
    moving = torch.optim.lr_scheduler.LambdaLR(optimizer, closed_form)
    theirs.train()
    for _, batch in zip(range(12), batches(), strict=False):
        optimizer.zero_grad()
        theirs.plain(batch)["plain"].backward()
        optimizer.step()
        moving.step()
    for name, value in weights(theirs).items():
        torch.testing.assert_close(weights(ours)[name], value, rtol=0, atol=1e-6)


def test_the_average_has_its_closed_form_and_takes_the_weights_place() -> None:
    """s_t = d_t s_(t-1) + (1 - d_t) w_t, warmed up; BatchNorm's statistics go the same way."""

    def floats(model: Toy) -> dict[str, torch.Tensor]:
        return {name: value for name, value in weights(model).items() if value.is_floating_point()}

    ours, theirs = Toy(), Toy()
    train(ours, single(ours, ema=0.5, optimizer=Adam(lr=0.01)))
    decays = [min(0.5, (1 + t) / (10 + t)) for t in range(12)]  # .5 from t = 8 on
    average = {name: math.prod(decays) * value for name, value in floats(theirs).items()}
    for t, model in enumerate(by_hand(theirs, lr=0.01)):
        for name, value in floats(model).items():
            average[name] += (1 - decays[t]) * math.prod(decays[t + 1 :]) * value
    assert any(name.endswith("running_var") for name in average)
    for name, value in floats(ours).items():
        torch.testing.assert_close(value, average[name], rtol=0, atol=1e-6)
    assert weights(ours)["make.1.num_batches_tracked"] == 12


def test_who_is_held_still_does_not_move_nor_drop_nor_count() -> None:
    model = Toy()
    seen: list[tuple[bool, ...]] = []
    before = weights(model.make)  # BatchNorm's statistics among them

    def objective(given: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        seen.append(
            (
                *(part.training for part in model.make.modules()),
                *(p.requires_grad for p in model.make.parameters()),
            )
        )
        return model.tell(given)

    judge = Phase("judge", [model.judge], objective, turns=3)
    model.make.requires_grad_(False)
    train(model, [Stage("judge", 5, [judge], draws())])
    assert len(seen) == 15
    assert not any(flag for flags in seen for flag in flags)
    assert same(weights(model.make), before)


def test_players_in_turn_learn_and_hold_still_within_each_step() -> None:
    model = Toy()
    turns: list[str] = []

    def watch(name: str, own: nn.Module, other: nn.Module, objective: Any) -> Any:
        def objective_of(given: Mapping[str, Batch]) -> Mapping[str, Tensor]:
            turns.append(name)
            assert own.training and all(p.requires_grad for p in own.parameters())
            assert not other.training and not any(p.requires_grad for p in other.parameters())
            return objective(given)  # type: ignore[no-any-return]

        return objective_of

    phases = [
        Phase("make", [model.make], watch("make", model.make, model.judge, model.rebuild)),
        Phase("judge", [model.judge], watch("judge", model.judge, model.make, model.tell), turns=2),
    ]
    train(model, [Stage("both", 4, phases, draws())])
    assert turns == ["make", "judge", "judge"] * 4
    assert not model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert int(model.make[1].num_batches_tracked) == 4


def test_every_turn_has_a_fresh_batch() -> None:
    model, seen = Toy(), []

    def objective(given: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        seen.append(given["x"].rows["dots"].tolist())
        return model.tell(given)

    phase = Phase("judge", [model.judge], objective, turns=2)
    model.make.requires_grad_(False)
    train(model, [Stage("one", 3, [phase], draws())], accumulate=2)
    expected = [b["x"].rows["dots"].tolist() for _, b in zip(range(12), batches(), strict=False)]
    assert seen == expected


def test_events_tell_the_story_and_the_mean_losses() -> None:
    model, losses = Toy(), []

    def objective(given: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        terms = model.plain(given)
        losses.append(float(terms["plain"].detach()))
        return terms

    events = train(model, [Stage("one", 10, [Phase("all", [model], objective)], draws())])
    assert [type(event) for event in events] == [StageStarted, *[Progress] * 3, StageFinished]
    told = [event.losses["all/plain"] for event in events if isinstance(event, Progress)]
    for mean, part in zip(told, (losses[:4], losses[4:8], losses[8:]), strict=True):
        assert mean == pytest.approx(sum(part) / len(part), rel=1e-6)
    assert [event.step for event in events if isinstance(event, Progress)] == [4, 8, 10]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_objectives_run_in_the_precision_and_sums_in_float32(precision: str) -> None:
    model, types = Toy(norm=False), set()

    def objective(given: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        x = given["x"].signals["dots"].values
        made = model.make(x)
        types.add(made.dtype)
        return {"low": (made - x.to(made.dtype)).square().mean()}

    model.judge.requires_grad_(False)
    phase = Phase("all", [model], objective, optimizer=Adam(lr=0.01))
    events = train(model, [Stage("one", 60, [phase], draws())], precision=precision, log_every=20)
    told = [event.losses["all/low"] for event in events if isinstance(event, Progress)]
    assert types == {torch.bfloat16 if precision == "bf16" else torch.float16}
    assert told[-1] < 0.8 * told[0]
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    runs = []
    for seed in (3, 3, 4):
        model = Toy()
        train(model, stages(model, 8), seed=seed)
        runs.append(weights(model))
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_prepare_sees_a_model_at_rest_and_its_table_is_drawn_from() -> None:
    model, seen = Toy(), []

    def prepare(given: Table, generator: torch.Generator) -> Table:
        assert not model.training and not any(p.requires_grad for p in model.parameters())
        assert generator.initial_seed() == derived_seed(0, "one", "prepare")
        return table(torch.full((ITEMS, SIZE), 7.0))

    def objective(given: Mapping[str, Batch]) -> Mapping[str, Tensor]:
        seen.append(given["x"].signals["dots"].values)
        return model.plain(given)

    phase = Phase("all", [model], objective)
    train(model, [Stage("one", 2, [phase], draws(), prepare=prepare)])
    assert all(bool((values == 7).all()) for values in seen)
    assert len(seen) == 2


def test_phases_that_share_a_module_both_teach_it() -> None:
    model = Toy(norm=False)
    one = Phase("one", [model], model.rebuild)
    two = Phase("two", [model.make], model.plain)
    before = weights(model)
    train(model, [Stage("both", 3, [one, two], draws())])
    assert all(not torch.equal(before[k], v) for k, v in weights(model.make).items() if k in before)
