"""What is refused before the first step, and at it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from kernel_toys import Toy, draws, same, single, table, train, weights
from torch import nn

from transmodal.core.errors import SettingError, TrainingError
from transmodal.core.kernel import Kernel, Training
from transmodal.core.stage import Adam, Phase, Stage
from transmodal.core.translator import Translator

from toys import Dots, Swap
from toys import table as dots_table


def test_a_parameter_that_no_phase_learns_is_named() -> None:
    model = Toy()
    phase = Phase("make", [model.make], model.rebuild)
    with pytest.raises(
        TrainingError, match=r"no phase of any stage learns judge\.0\.weight, judge"
    ):
        Kernel(model, [Stage("one", 1, [phase], draws())], table())
    model.judge.requires_grad_(False)
    Kernel(model, [Stage("one", 1, [phase], draws())], table())


def test_a_phase_without_anything_to_learn_is_refused() -> None:
    model = Toy()
    for learns in ([], [nn.ReLU()], [model.judge.requires_grad_(False)]):
        model.extra = nn.ModuleList(learns[:1]) if learns else nn.Identity()
        phase = Phase("none", learns, model.plain)
        with pytest.raises(TrainingError, match="phase 'none' learns nothing: its modules hold"):
            Kernel(model, [Stage("one", 1, [phase], draws())], table())


def test_a_module_outside_of_the_model_is_refused() -> None:
    model = Toy()
    phase = Phase("all", [model, nn.Linear(2, 2)], model.plain)
    with pytest.raises(TrainingError, match="learns a Linear that is no part of the model"):
        Kernel(model, [Stage("one", 1, [phase], draws())], table())


def test_stages_need_distinct_names() -> None:
    model = Toy()
    with pytest.raises(TrainingError, match=r"stages with distinct names, not \['one', 'one'\]"):
        Kernel(model, single(model) * 2, table())
    with pytest.raises(TrainingError, match=r"stages with distinct names, not \[\]"):
        Kernel(model, [], table())


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (lambda model: {"wide": model.make[0].weight}, r"'wide' must be a scalar .*not \(12, 6\)"),
        (lambda model: {"text": 1.0}, "'text' must be a scalar tensor, not float"),
        (lambda model: {"fixed": torch.ones(())}, "depends on nothing that this phase learns"),
        (lambda model: {}, r"the objective gave the terms \[\], earlier \[\]"),
    ],
)  # fmt: skip
def test_an_objective_that_gives_no_loss_is_told_so(terms: Any, message: str) -> None:
    model = Toy()
    plan = [Stage("one", 1, [Phase("all", [model], lambda given: terms(model))], draws())]
    with pytest.raises(TrainingError, match=f"stage 'one', phase 'all': .*{message}"):
        train(model, plan)
    assert all(p.requires_grad for p in model.parameters())


def test_terms_that_change_their_names_are_refused() -> None:
    model, names = Toy(), iter("ab")
    phase = Phase("all", [model], lambda given: {next(names): model.plain(given)["plain"]})
    with pytest.raises(TrainingError, match=r"gave the terms \['b'\], earlier \['a'\]"):
        train(model, [Stage("one", 2, [phase], draws())])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "fp8"}, "precision must be one of 'fp32', 'bf16', 'fp16', not 'fp8'"),
        ({"accumulate": 0}, "accumulate must be a whole number >= 1, not 0"),
        ({"log_every": 0.5}, "log_every must be a whole number >= 1, not 0.5"),
        ({"patience": -1}, "patience must be a whole number >= 0, not -1"),
        ({"save_every": -1}, "save_every must be a number >= 0, not -1"),
        ({"device": "abacus"}, "device 'abacus' cannot be used here"),
        ({"device": ["cpu"]}, r"device \['cpu'\] cannot be used here"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used here"),
        ({"device": "meta"}, "device 'meta' holds no values"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    model = Toy()
    with pytest.raises(SettingError, match=message):
        Kernel(model, single(model), table(), Training(**settings))


@pytest.mark.parametrize(("mode", "message"), [
    (torch.no_grad, "nothing can learn while gradients are switched off; train outside of"),
    (torch.inference_mode, "nothing can learn while gradients are switched off"),
    (partial(torch.autocast, "cpu"), "autocast is on around this training, .* set precision"),
])  # fmt: skip
def test_nothing_is_trained_in_modes_that_would_spoil_it(mode: Any, message: str) -> None:
    model = Toy()
    with mode(), pytest.raises(SettingError, match=message):
        Kernel(model, single(model), table(), Training(device="cpu"))


def test_autocast_of_another_device_is_no_matter() -> None:
    model = Toy()
    torch.set_autocast_enabled("cuda", True)
    try:
        kernel = Kernel(model, single(model), table(), Training(device="cpu"))
    finally:
        torch.set_autocast_enabled("cuda", False)
    assert kernel.device.type == "cpu"


def test_another_default_type_is_refused_where_weights_are_made() -> None:
    translator = Translator({"a": Dots()}, Swap(steps=1))
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(SettingError, match="default type is torch.float64; call torch.set_def"):
            translator.connect()
        assert not translator.connected
        torch.set_default_dtype(torch.float32)
        translator.connect()
        torch.set_default_dtype(torch.float64)
        with pytest.raises(SettingError, match="default type is torch.float64"):
            translator.fit(dots_table("a"), progress=False)
        item = torch.rand(6, dtype=torch.float32)
        assert translator.embed([item], "a").dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_is_connected_in_inference_mode_can_learn_afterwards() -> None:
    translator = Translator({"a": Dots()}, Swap(steps=1))
    with torch.inference_mode():
        translator.connect(("0", "1"))
        translator.translate([torch.rand(6)], "a", "a", progress=False)
    before = [p.detach().clone() for p in translator.bridge.parameters()]
    translator.fit(dots_table("a"), progress=False)
    learned = zip(before, translator.bridge.parameters(), strict=True)
    assert not all(torch.equal(was, now) for was, now in learned)


@pytest.mark.parametrize("betas", [(0, 0.9), (0.5, 0)])
def test_rates_of_decay_may_be_whole_numbers(betas: Any) -> None:
    model, other = Toy(), Toy()
    train(model, single(model, optimizer=Adam(betas=betas)))
    train(other, single(other, optimizer=Adam(betas=(float(betas[0]), float(betas[1])))))
    assert same(weights(model), weights(other)) and not same(weights(model), weights(Toy()))
