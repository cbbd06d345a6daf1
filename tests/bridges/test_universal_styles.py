"""Universal attention: styles and tasks that cannot be had are refused by name."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.code import Code
from transmodal.core.errors import DataError, SettingError
from transmodal.core.kernel import Kernel, Training
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table

from toys import Dots, dots


def joined(**changes: Any) -> UniversalAttention:
    bridge = UniversalAttention(width=8, latent=4, style_width=8, **changes)
    torch.manual_seed(0)
    bridge.connect({"a": Dots(), "b": Dots()}, 2)
    return bridge.eval()


@pytest.mark.parametrize("weights", [torch.eye(10)[:2].double(), torch.eye(10)[:2].tolist(),
                                     torch.eye(10, dtype=torch.long)[:2]])  # fmt: skip
def test_weights_are_numbers_of_any_kind(weights: Any) -> None:
    bridge = joined()
    assert torch.equal(bridge.style_mix(weights).tokens, bridge.style_mix(torch.eye(10)[:2]).tokens)


@pytest.mark.cuda
def test_weights_follow_the_model_to_a_gpu() -> None:
    bridge = joined().to("cuda")
    made = bridge.style_mix(torch.eye(10)).tokens
    assert made.device.type == "cuda"
    torch.testing.assert_close(made.cpu(), joined().style_mix(torch.eye(10)).tokens)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[1.0, 2.0]], r"weights are \[b 10\], not \[1, 2\]"),
        ([1.0] * 10, r"weights are \[b 10\], not \[10\]"),
        ([[1.0], [1.0, 2.0]], r"weights are numbers \[b 10\]: "),
        ("much", r"weights are numbers \[b 10\]: "),
        (None, r"weights are numbers \[b 10\]: "),
        (torch.full((1, 10), math.nan), "weights of styles are finite numbers"),
        ([[math.inf] * 10], "weights of styles are finite numbers"),
    ],
)
def test_weights_that_are_none_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        joined().style_mix(weights)


@pytest.mark.parametrize("n", [-1, 0, 1.5, True])
def test_styles_are_drawn_in_whole_numbers(n: Any) -> None:
    with pytest.raises(SettingError, match="n must be a whole number >= 1, not"):
        joined().style_sample(n)


def test_a_style_is_a_code_and_a_reference_a_signal() -> None:
    bridge = joined()
    signal = Signal(dots(2)[0])
    code = bridge.encode(signal, "a")
    with pytest.raises(DataError, match="a style is a Code, as style, .* not a Tensor"):
        bridge.decode(code, "b", torch.zeros(2, 8))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="a style has numbers that are NaN or infinite"):
        bridge.decode(code, "b", Code(torch.full((2, 1, 8), torch.nan)))
    with pytest.raises(DataError, match="references are a Signal, .* not a list; Translator.style"):
        bridge.style(list(signal.values), "b")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "tasks is empty; name pairs .source, target., or leave tasks out"),
        ([("a", "b"), ("b", "a"), ["a", "b"]], "tasks names a->b 2 times; once is due"),
    ],
)
def test_tasks_are_some_and_each_stands_once(tasks: Any, message: str) -> None:
    with pytest.raises(SettingError, match=f"universal-attention: {message}"):
        joined(tasks=tasks)


def test_one_domain_needs_its_tasks_named() -> None:
    with pytest.raises(SettingError, match="joins two domains or more, or names its tasks"):
        UniversalAttention().connect({"a": Dots()}, 0)
    alone = UniversalAttention(tasks=[("a", "a")])
    alone.connect({"a": Dots()}, 0)
    assert [str(task) for task in alone.plan] == ["a->a"]


def test_pairs_without_labels_are_refused_before_references_listen() -> None:
    signal, labels = dots(8)
    rows = {"a": torch.arange(8), "b": torch.cat([torch.arange(4), torch.arange(8, 12)])}
    labels = torch.cat([torch.full((4,), -1), labels[:4]])
    data = Table({d: Memory(Signal(signal), labels, rows[d]) for d in "ab"}, ("0", "1"))
    bridge = joined(reference="label", listening=1, steps=1, batch=4)
    begun: list[Any] = []
    with pytest.raises(DataError, match="draw 'a->b' wants rows that hold all of a, b, with a lab"):
        begun += Kernel(bridge, bridge.stages(), data, Training(device="cpu")).run()
    assert not begun
