"""The bridging VAE: what its weights leave out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from games import play

from transmodal.core.bridges.bridging_vae import BridgingVAE
from transmodal.core.errors import DataError
from transmodal.core.stage import UNLABELLED
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator

from toys import Dots, table


def joined(**changes: Any) -> BridgingVAE:
    """A bridge with little of everything, from one seed."""
    small: dict[str, Any] = {
        "latent": 4, "width": 3, "hidden": 8, "depth": 2, "batch": 8, "steps": 2,
        "latent_steps": 2, "reader_steps": 2, "projections": 4,
    }  # fmt: skip
    bridge = BridgingVAE(**{**small, **changes})
    torch.manual_seed(0)
    bridge.connect({d: Dots() for d in "ab"}, 2)
    return bridge


@pytest.mark.parametrize("balanced", [True, False])
def test_a_classification_of_weight_0_is_left_out(balanced: bool) -> None:
    whole, without = (joined(classification=w, balanced=balanced) for w in (1.0, 0.0))
    drawn = [draw.name for draw in whole.stages()[-1].draws]
    assert drawn == (["items"] if balanced else ["items", "labelled"])
    assert [draw.name for draw in without.stages()[-1].draws] == ["items"]
    for bridge, has in ((whole, True), (without, False)):
        losses = play(bridge, table("a", "b"))[-1].losses
        assert any("class" in name for name in losses) == has
        assert any("classifier" in name for name in bridge.state_dict()) == has
    # what is built before it begins as it did
    start, other = (joined(classification=w).state_dict() for w in (1.0, 0.0))
    assert all(torch.equal(value, start[name]) for name, value in other.items())


def test_without_a_classification_no_domain_needs_labels() -> None:
    whole = table("a", "b")
    none = torch.full((24,), UNLABELLED)
    columns = {"a": whole.column("a"), "b": Memory(whole.columns["b"].signal, none)}
    bridge = joined(classification=0.0, class_weight=0.0, reading=0.0, balanced=False)
    progress = play(bridge, Table(columns, whole.classes))
    assert all(math.isfinite(v) for event in progress for v in event.losses.values())


@pytest.mark.parametrize("settings", [{}, {"balanced": False}, {"reading": 0.0, "balanced": False},
                                      {"classification": 0.0, "reading": 0.0}])  # fmt: skip
def test_labels_that_only_one_domain_has_are_refused_before_any_stage(settings: Any) -> None:
    whole = table("a", "b")
    none = torch.full((24,), UNLABELLED)
    columns = {"a": whole.column("a"), "b": Memory(whole.columns["b"].signal, none)}
    small = joined(**settings).settings()
    translator = Translator({d: Dots() for d in "ab"}, BridgingVAE(**small))
    begun: list[Any] = []
    with pytest.raises(DataError, match="needs labels, and no item of 'b' has one. Where some"):
        translator.fit(Table(columns, whole.classes), progress=False, watch=begun.append)
    assert not begun and not translator.connected
    columns["a"] = Memory(whole.columns["a"].signal, none)
    translator.fit(Table(columns), progress=False)


def test_the_one_class_there_is_names_what_a_gan_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = BridgingVAE(**{**joined().settings(), "gans": ["b"]})
    bridge.connect({d: Dots() for d in "ab"}, 1)
    data = table("a", "b", classes=1)
    model = bridge.model("b")
    monkeypatch.setattr(model, "pool", 5)
    kept = model.latents(data.column("b"), torch.Generator().manual_seed(0), bridge.reader("b"))
    assert (kept.labels == 0).all()
    progress = play(bridge, data)
    assert all(math.isfinite(v) for event in progress for v in event.losses.values())
