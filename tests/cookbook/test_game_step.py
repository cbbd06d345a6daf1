"""The hand-written loops that our steps are timed against play the same games."""

from __future__ import annotations

import copy

import pytest
import torch

from transmodal.cookbook.benchmarks import game_step, hand_loops
from transmodal.core.errors import SettingError
from transmodal.core.kernel import Kernel, Progress, Training
from transmodal.core.latents.prior import Prior
from transmodal.core.seeds import derived_seed
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table
from transmodal.registry.contract import check_modality

STEPS = 3


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("paper", ["cogan", "syncgan"])
def test_both_sides_end_in_the_same_weights(paper, channels_last, monkeypatch):
    # in float64 throughout, for Adam's first steps magnify rounding where a gradient is near 0
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    monkeypatch.setattr(Prior, "draw", lambda self, n, _: torch.randn(n, self.width).double())
    sizes = {"batch": 6, "steps": STEPS} | ({"pairs": 4} if paper == "syncgan" else {})
    mine = game_step.bridge_of(paper, 1 / 16, **sizes).double()
    theirs = copy.deepcopy(mine).train()
    data = {name: values[:40].double() for name, values in game_step.pictures().items()}
    labels = torch.full((40,), -1)
    table = Table({name: Memory(Signal(values), labels) for name, values in data.items()})
    stage, *rest = mine.stages()
    assert not rest
    settings = Training(device="cpu", log_every=1, channels_last=channels_last)
    events = Kernel(mine, [stage], table, settings).run()
    told = [event.losses for event in events if isinstance(event, Progress)]
    feed = table.feed(stage.draws, derived_seed(0, "game", "order"))
    torch.manual_seed(derived_seed(0, "game", "noise", 0))
    step = (hand_loops.cogan if paper == "cogan" else hand_loops.syncgan)(theirs)
    for losses, answer in zip(told, feed, strict=False):
        batches = {
            draw: {d: s.values for d, s in batch.signals.items()} for draw, batch in answer.items()
        }
        for name, loss in step(batches).items():
            assert losses[name] == pytest.approx(loss.item(), rel=1e-5), name
    start = game_step.bridge_of(paper, 1 / 16, **sizes).double().state_dict()
    other = dict(theirs.named_parameters())
    for name, weight in mine.named_parameters():
        if paper == "cogan" and name.startswith("trunk") and name.endswith("conv.bias"):
            continue  # BatchNorm takes it out again: its gradient is rounding, its path chance
        moved = weight - start[name]
        assert (weight - other[name]).norm() < 1e-5 * moved.norm(), name
        assert moved.abs().max() > 5e-5, name


def test_hand_batches_keep_pairs_together_and_draw_domains_apart():
    data = {"a": torch.arange(10.0), "b": 100 + torch.arange(10.0)}
    feed = hand_loops.batches(data, 5, 4)
    for _ in range(3):
        batch = next(feed)
        assert torch.equal(batch["pairs"]["b"] - batch["pairs"]["a"], torch.full((4,), 100.0))
    first, second = next(feed)["items"], next(feed)["items"]
    both = [torch.cat([first[name], second[name]]).sort().values for name in data]
    assert len(both[0]) == 10 and not torch.equal(first["a"] + 100, first["b"])


@pytest.mark.parametrize("paper", ["cogan", "syncgan"])
def test_the_papers_nets_keep_the_contract_and_their_geometry(paper):
    modality = game_step.bridge_of(paper, 1 / 16).domains["a"]
    check_modality(modality, list(torch.rand(4, 1, 28, 28)))


def test_published_widths():
    from transmodal.cookbook.papers.cogan.networks import CoGANImage
    from transmodal.cookbook.papers.syncgan.networks import SyncGANImage

    def shapes(net):
        return [tuple(p.shape) for p in net.parameters() if p.ndim > 1]

    assert shapes(CoGANImage().generator(100)) == [
        (100, 1024, 4, 4), (1024, 512, 3, 3), (512, 256, 3, 3), (256, 128, 3, 3), (128, 1, 6, 6),
    ]  # fmt: skip
    assert shapes(CoGANImage().discriminator()) == [
        (20, 1, 5, 5), (50, 20, 5, 5), (500, 50, 4, 4), (1, 500),
    ]  # fmt: skip
    assert shapes(SyncGANImage().generator(64)) == [
        (6272, 64), (128, 64, 5, 5), (64, 32, 5, 5), (32, 1, 3, 3),
    ]  # fmt: skip
    assert shapes(SyncGANImage().discriminator()) == [
        (8, 1, 5, 5), (16, 8, 3, 3), (128, 784), (1, 128),
    ]  # fmt: skip
    with pytest.raises(SettingError, match="cogan-image: width must be a number"):
        CoGANImage(2.0)


def test_a_measurement_has_its_figures():
    case = game_step.Case("cogan", "bf16")
    found = game_step.measure(case, 2, steps=1)
    assert found["speedup"] > 0 and found["quartiles"][0] <= found["quartiles"][1]
