"""What the phases of a step share, and terms that come at every k-th turn only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from kernel_toys import Toy, draws, same, table, train, weights
from torch import Tensor

from transmodal.core.errors import SettingError, TrainingError
from transmodal.core.kernel import Kernel, Progress, Saved, Training
from transmodal.core.seeds import derived_seed
from transmodal.core.stage import Adam, Batch, Lazy, Phase, Stage

RATES = {"critic": Adam(lr=0.004, betas=(0.5, 0.9)), "maker": Adam(lr=0.01, betas=(0.5, 0.9))}


class Game:
    """A game whose generator is passed once a step, and counts how often it was."""

    def __init__(self, model: Toy) -> None:
        self.model, self.passes, self.penalties = model, 0, 0
        self.steps: list[int] = []

    def made(self, batches: Mapping[str, Batch], step: int) -> Tensor:
        self.passes += 1
        self.steps.append(step)
        x = batches["x"].signals["dots"].values
        made: Tensor = self.model.make(torch.randn_like(x))
        return made

    def critic(self, batches: Mapping[str, Batch], made: Tensor) -> dict[str, Tensor]:
        x = batches["x"].signals["dots"].values
        real, fake = self.model.judge(x), self.model.judge(made.detach())
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        return {"tell": loss, "right": (real > 0).float().mean()}

    def maker(self, batches: Mapping[str, Batch], made: Tensor) -> dict[str, Tensor]:
        return {"fool": F.softplus(-self.model.judge(made)).mean()}

    def penalty(self, batches: Mapping[str, Batch], made: Tensor) -> Tensor:
        self.penalties += 1
        x = batches["x"].signals["dots"].values.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.model.judge(x).sum(), x, create_graph=True)
        return 0.05 * slope.square().sum(1).mean()

    def stages(self, steps: int = 12) -> list[Stage]:
        lazy = Lazy("r1", self.penalty, every=4)
        judge, make = self.model.judge, self.model.make
        phases = [
            Phase("critic", [judge], self.critic, lazy, optimizer=RATES["critic"]),
            Phase("maker", [make], self.maker, optimizer=RATES["maker"], ema=0.9),
        ]
        return [Stage("game", steps, phases, draws(), shared=self.made)]


def by_hand(model: Toy, steps: int) -> Iterator[Tensor]:
    """The same game with two passes of the generator, the plainest way; its penalties."""
    torch.manual_seed(derived_seed(0, "game", "noise", 0))
    game = Game(model)
    feed = table().feed(draws(), derived_seed(0, "game", "order"))
    critic, maker = (
        torch.optim.Adam(net.parameters(), lr=RATES[name].lr, betas=RATES[name].betas, fused=True)
        for name, net in (("critic", model.judge), ("maker", model.make))
    )
    model.train()
    for step, batch in zip(range(steps), feed, strict=False):
        before = torch.get_rng_state()
        made = game.made(batch, step + 1)
        critic.zero_grad()
        loss = game.critic(batch, made)["tell"]
        if step % 4 == 0:
            loss = loss + 4 * game.penalty(batch, made)
        loss.backward()
        critic.step()
        torch.set_rng_state(before)  # the same noise, hence the same samples
        maker.zero_grad()
        game.maker(batch, game.made(batch, step + 1))["fool"].backward()
        maker.step()
        yield loss


def test_one_pass_of_the_generator_is_the_game_of_two_bit_for_bit() -> None:
    # without BatchNorm, whose statistics a second pass would move
    ours, theirs = Toy(norm=False), Toy(norm=False)
    game = Game(ours)
    plan = game.stages()
    plan[0] = Stage("game", 12, [plan[0].phases[0], Phase("maker", [ours.make], game.maker,
                    optimizer=RATES["maker"])], draws(), shared=game.made)  # fmt: skip
    train(ours, plan)
    for _ in by_hand(theirs, 12):
        pass
    assert same(weights(ours), weights(theirs))
    assert game.passes == 12
    assert game.steps == list(range(1, 13))
    assert game.penalties == 3


def test_the_samples_batchnorm_moves_once_a_step() -> None:
    model = Toy(norm=True)
    train(model, Game(model).stages(7))
    assert int(model.make[1].num_batches_tracked) == 7


def test_a_lazy_term_is_shown_at_its_mean_weight_and_notes_are_shown_too() -> None:
    model = Toy(norm=False)
    penalties: list[float] = []
    game = Game(model)
    original = game.penalty

    def penalty(*given: Any) -> Tensor:
        term = original(*given)
        penalties.append(term.item())
        return term

    game.penalty = penalty  # type: ignore[method-assign]
    events = train(model, game.stages(8), log_every=8)
    (shown,) = (event for event in events if isinstance(event, Progress))
    assert len(penalties) == 2
    assert shown.losses["critic/r1"] == pytest.approx(4 * sum(penalties) / 8)
    assert 0 <= shown.losses["critic/right"] <= 1


@pytest.mark.parametrize("stop", [1, 2, 5, 6])
def test_a_stopped_game_goes_on_to_the_same_bits(tmp_path: Path, stop: int) -> None:
    whole = Toy()
    train(whole, Game(whole).stages())
    broken = Toy()
    chosen = Training(device="cpu", log_every=4, checkpoint=tmp_path, save_every=0.0)
    for event in Kernel(broken, Game(broken).stages(), table(), chosen).run():
        if isinstance(event, Saved) and event.step == stop:
            break
    again = Toy(seed=3)
    train(again, Game(again).stages(), checkpoint=tmp_path, save_every=0.0)
    assert same(weights(again), weights(whole))


def test_accumulation_shares_batch_by_batch() -> None:
    ours, theirs = Toy(norm=False), Toy(norm=False)
    game = Game(ours)
    train(ours, game.stages(3), accumulate=2)
    assert game.passes == 6
    train(theirs, Game(theirs).stages(3), accumulate=1)
    assert not same(weights(ours), weights(theirs))


def test_rows_of_a_shared_step_are_named(tmp_path: Path) -> None:
    values = torch.randn(96, 6)
    values[17] = float("nan")
    model = Toy(norm=False)
    with pytest.raises(TrainingError, match=r"'dots' rows 18$"):
        try:
            train(model, Game(model).stages(40), table(values), patience=0)
        except TrainingError as error:
            raise TrainingError(str(error).split(". The weights")[0]) from error


def test_a_shared_stage_takes_one_turn_of_each() -> None:
    model = Toy()
    with pytest.raises(SettingError, match="each of them takes one turn"):
        Stage("two", 2, [Phase("a", [model], model.plain, turns=2)], draws(), shared=lambda b, k: b)


def test_a_lazy_term_does_not_hide_another_of_its_name() -> None:
    lazy = Lazy("r1", lambda batches: torch.ones(()))
    plain = {"loss": torch.zeros(()), "r1": torch.ones(())}
    phase = Phase("critic", [], lambda batches: plain, lazy)
    for lazily in (True, False):
        with pytest.raises(SettingError, match="phase 'critic' has two terms 'r1', .* lazy one"):
            phase.terms(({},), lazily)


def test_lazy_terms_come_every_so_often() -> None:
    with pytest.raises(SettingError, match="every must be a whole number >= 1"):
        Lazy("r1", lambda batches: torch.zeros(()), every=0)
