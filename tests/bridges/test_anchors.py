"""Anchors: concepts that mean clusters of real tuples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from games import Chain, columns, connected, play, quick
from torch import Tensor

from transmodal.core.bridges.anchors import Anchors
from transmodal.core.bridges.synchronizer import Synchronizer
from transmodal.core.errors import DataError, SettingError, TrainingError
from transmodal.core.signal import Signal
from transmodal.core.stage import UNLABELLED
from transmodal.core.table import Memory, Table
from transmodal.registry.contract import check_bridge


def blobs(n: int = 60) -> tuple[Table, Tensor]:
    """Records of two domains whose tuples stand in three far clusters."""
    kinds = torch.arange(n) % 3
    middles = 20 * torch.randn(2, 3, 4)
    nobody = torch.full((n,), UNLABELLED)
    items = [m[kinds] + 0.1 * torch.randn(n, 4) for m in middles]
    return Table({d: Memory(Signal(x), nobody) for d, x in zip("ab", items, strict=True)}), kinds


def values(signals: Mapping[str, Signal]) -> list[Tensor]:
    return [signal.values for signal in signals.values()]


def settled(table: Table, concepts: int = 3, read: Any = values) -> Anchors:
    anchors = Anchors("ab", concepts, 4)
    anchors.settle(table, read, torch.Generator().manual_seed(1), batch=16)
    return anchors


def test_centres_are_the_means_of_clusters_and_belong_together() -> None:
    torch.manual_seed(0)
    table, kinds = blobs()
    anchors = settled(table)
    items = [table.column(d).take(torch.arange(60)).values for d in "ab"]
    wanted = torch.stack([torch.stack([x[kinds == k].mean(0) for k in range(3)]) for x in items])
    order = (anchors.centres[0][:, None] - wanted[0]).norm(dim=2).argmin(1)
    assert sorted(order.tolist()) == [0, 1, 2]
    torch.testing.assert_close(anchors.centres, wanted[:, order])


def test_concepts_want_as_many_different_tuples() -> None:
    table, _ = blobs()
    few, _ = blobs(2)
    same = Table({d: Memory(Signal(torch.ones(9, 4)), torch.full((9,), -1)) for d in "ab"})
    for poor in (few, same):
        with pytest.raises(DataError, match="3 concepts want as many different records.*add pairs"):
            settled(poor)
    with pytest.raises(TrainingError, match="features are not finite.*lower sync_rate"):
        settled(table, read=lambda signals: [x.log() * torch.nan for x in values(signals)])


def test_too_few_tuples_are_known_before_any_training() -> None:
    bridge = anchored(concepts=90)
    (first, *_) = bridge.stages()
    assert first.name == "synchronizer" and first.prepare is not None
    with pytest.raises(DataError, match="90 concepts want as many different records"):
        first.prepare(columns(True), torch.Generator())


def test_a_miss_is_the_cross_entropy_of_what_agrees_with_other_domains_centres() -> None:
    anchors = Anchors("abc", 2, 4)
    anchors.centres.copy_(torch.randn(3, 2, 4))
    made, kinds = [torch.randn(5, 4) for _ in range(3)], torch.tensor([0, 1, 1, 0, 1])
    wanted = torch.zeros(())
    for d in range(3):
        others = sum(anchors.centres[e] for e in range(3) if e != d) / 2
        for i in range(5):
            agreed = torch.stack([made[d][i] @ others[k] for k in range(2)]) / 2
            wanted = wanted - agreed.log_softmax(0)[kinds[i]] / 15
    torch.testing.assert_close(anchors.miss(made, kinds), wanted)


def anchored(**settings: Any) -> Any:
    own = {"concepts": 2, "anchoring": 2.0, "sync_steps": 200, "steps": 200, "sync_rate": 5e-3}
    return connected(quick(Synchronizer, **{**own, "batch": 24, "pairs": 24, **settings}))


def test_each_concept_makes_a_kind_of_its_own() -> None:
    bridge = anchored(rate=1e-2, critic_rate=1e-3)
    play(bridge, columns(True))
    torch.manual_seed(0)
    z = bridge.space.draw(200, torch.device("cpu"))
    made = bridge.make(z, ["a", "b"])
    front = made["a"].values[:, :3].mean(1) > made["a"].values[:, 3:].mean(1)
    shares = [front[z[:, 4 + k] > 0].float().mean() for k in range(2)]
    assert abs(shares[0] - shares[1]) > 0.9  # 0 where the concepts mean nothing


def test_a_resumed_training_finds_the_same_clusters() -> None:
    bridge, table = anchored(), columns(True)

    def found(table: Table) -> Tensor:
        bridge.measured(table, torch.Generator().manual_seed(5))
        return bridge.anchors.centres.clone()

    first = found(table)
    assert first.abs().sum() > 0
    assert torch.equal(found(table), first)


def test_an_inversion_is_chosen_by_the_concept_a_query_agrees_with() -> None:
    bridge = anchored(choosing=0.5)
    bridge.anchors.centres.normal_()
    z = bridge.space.draw(3, torch.device("cpu"))
    query = Signal(torch.rand(3, 6))
    own = bridge.synchronizer.nets["a"](query).vector
    agreed = (own @ bridge.anchors.centres[1].T / 256**0.5).log_softmax(1)
    said = agreed[torch.arange(3), z[:, 4:].argmax(1)]
    far = (bridge.make(z, ["a"])["a"].values - query.values).square().sum(1)
    torch.testing.assert_close(bridge.scorer("a")(z, query), said - far / (2 * 0.5**2))


def test_the_contract_holds_with_anchored_concepts() -> None:
    bridge = quick(Synchronizer, concepts=3, anchoring=1.0, choosing=0.5)
    check_bridge(bridge, {d: Chain() for d in "abc"}, columns(True, 20, *"abc"))


def test_anchors_need_features_of_a_finished_synchronizer() -> None:
    for settings in ({"fusion": "features"}, {"sync_steps": 0}):
        with pytest.raises(SettingError, match="take fusion='product' and sync_steps above 0"):
            anchored(**settings)
    assert anchored(fusion="features", anchoring=0.0).anchors is None
