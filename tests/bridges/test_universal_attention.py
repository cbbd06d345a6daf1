"""Universal attention: its networks, its objectives, and what it can be asked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from games import goes_on_alike, play
from kernel_toys import same
from torch import Tensor

from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.bridges.universal_losses import (
    apart,
    diversity_gain,
    held_still,
    misread,
    per_value,
)
from transmodal.core.bridges.universal_nets import ReferenceEncoder, TokenLayer
from transmodal.core.bridges.universal_tasks import Translated, of_same_label, owners
from transmodal.core.code import Code
from transmodal.core.errors import (
    DataError,
    SettingError,
    UnknownNameError,
    UnsupportedError,
)
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator
from transmodal.plugins.image.modality import Image
from transmodal.plugins.speech.modality import Speech
from transmodal.registry import Registry
from transmodal.registry.contract import check_bridge

from toys import Dots, dots, table


def quick(**changes: Any) -> UniversalAttention:
    small = {"width": 8, "latent": 4, "style_width": 8, "steps": 4, "batch": 6, "warmup": 0}
    return UniversalAttention(**{**small, **changes})


def joined(**changes: Any) -> UniversalAttention:
    bridge = quick(**changes)
    torch.manual_seed(0)
    bridge.connect({"a": Dots(), "b": Dots()}, 2)
    return bridge.eval()


def terms(bridge: UniversalAttention, of: str = "translator", step: int = 1) -> dict[str, Tensor]:
    stage = bridge.stages()[-1]
    batches = next(table("a", "b").feed(stage.draws, seed=0))
    chosen = next(p for p in stage.phases if p.name == of)
    torch.manual_seed(1)
    return dict(chosen.objective(*stage.given(batches, step)))


# -- the contract -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tokens": 0, "reference": "label", "conditional": False},
        {"adversarial": 0.0, "distance": 0.0},
        {"adversarial": {"a": 0.5}, "game": "least-squares", "latent_regression": 0.0},
        {"styled": (), "r1": 0.0},
        {"adversarial": 0.0, "distance": 0.0, "latent_regression": 0.0},
        {"listening": 2, "reference": "label"},
        {"tasks": [("a", "b")]},
        {"tasks": [("a", "b"), ("c", "b")], "styled": ["b"]},
    ],
)
def test_the_contract_holds_with_every_option(changes: dict[str, Any]) -> None:
    check_bridge(quick(**changes), {d: Dots() for d in "abc"}, table(*"abc"))


def test_the_contract_holds_between_pictures_and_sounds() -> None:
    domains = {"picture": Image(size=8), "sound": Speech(seconds=0.15)}
    torch.manual_seed(0)
    columns = table("picture", "sound", n=8)
    made = {}
    for domain, modality in domains.items():
        with torch.no_grad():
            made[domain] = modality.generator(4)(Code.of(torch.randn(8, 4)))
    held = {d: Memory(made[d], columns.column(d).labels) for d in domains}
    check_bridge(quick(batch=4), domains, Table(held, columns.classes), items=2)


def test_the_contract_holds_between_texts_pictures_and_speech_of_any_length() -> None:
    registry = Registry.load()
    domains = {
        "text": registry.modality("text")(longest=12, hidden=8, embedding=8, bank=1, critic=8),
        "picture": Image(size=8),
        "speech": Speech(seconds=0.15, reduction=2),
    }
    torch.manual_seed(0)
    waves = [0.5 * torch.sin(0.3 * torch.arange(n)) for n in (600, 700, 900, 1100)]
    items = {"text": ["hello", "a", "été", "x y"], "picture": list(torch.rand(4, 1, 8, 8)),
             "speech": waves}  # fmt: skip
    labels = torch.arange(4) % 2
    columns = {d: Memory(m.collate(items[d]), labels) for d, m in domains.items()}
    bridge = quick(batch=4, guide=1.0)
    check_bridge(bridge, domains, Table(columns, ("0", "1")), items=2)


# -- sharing ----------------------------------------------------------------------------------


def test_domains_of_one_modality_object_share_its_subnets() -> None:
    shared = Dots()
    assert owners({"a": shared, "b": Dots(), "c": shared}) == {"a": "a", "b": "b", "c": "a"}
    bridge = quick()
    bridge.connect({"a": shared, "b": shared}, 0)
    assert list(bridge.prenets) == list(bridge.generators) == ["a"]
    apart_ = quick()
    apart_.connect({"a": Dots(), "b": Dots()}, 0)
    assert list(apart_.prenets) == ["a", "b"]


def test_only_what_the_tasks_name_is_built() -> None:
    bridge = joined(tasks=[("a", "b")])
    assert list(bridge.prenets) == ["a"] and list(bridge.generators) == ["b"]
    signal = Signal(dots(2)[0])
    with pytest.raises(UnsupportedError, match="'b' is no source of this translator's tasks, a->b"):
        bridge.encode(signal, "b")
    with pytest.raises(UnsupportedError, match="'a' is no target"):
        bridge.decode(bridge.encode(signal, "a"), "a")


# -- styles -----------------------------------------------------------------------------------


def test_a_style_comes_from_a_reference_a_draw_weights_or_the_mean() -> None:
    bridge = joined()
    signal = Signal(dots(3)[0])
    code = bridge.encode(signal, "a")
    styles = [
        bridge.style(signal, "b"),
        bridge.style_sample(3),
        bridge.style_mix(torch.eye(10)[:3]),
        bridge.style(signal[:1], "b"),
        None,
    ]
    made = [bridge.decode(code, "b", style).values for style in styles]
    assert all(values.shape == (3, 6) for values in made)
    for i, one in enumerate(made):
        assert all(not torch.equal(one, other) for other in made[:i])
    torch.manual_seed(5)
    first = bridge.style_sample(2).tokens
    torch.manual_seed(5)
    assert torch.equal(first, bridge.style_sample(2).tokens)


def test_a_style_that_cannot_be_had_is_refused() -> None:
    plain, linear, bridge = joined(styled=()), joined(tokens=0), joined()
    signal = Signal(dots(2)[0])
    code = plain.encode(signal, "a")
    with pytest.raises(UnsupportedError, match="trained without styles"):
        plain.decode(code, "b", Code.of(torch.zeros(2, 8)))
    with pytest.raises(UnsupportedError, match="no domain of this translator is made in a style"):
        plain.style(signal, "b")
    with pytest.raises(UnsupportedError, match="'b' is no styled target"):
        joined(styled=["a"]).style(signal, "b")
    with pytest.raises(UnsupportedError, match="no domain of this translator is made in a style"):
        plain.style_sample(2)
    with pytest.raises(DataError, match="3 styles for 2 items"):
        bridge.decode(code, "b", bridge.style_sample(3))
    with pytest.raises(UnsupportedError, match="no universal tokens to weigh"):
        linear.style_mix(torch.ones(1, 10))
    with pytest.raises(DataError, match=r"weights are \[b 10\], not \[1, 3\]"):
        bridge.style_mix(torch.ones(1, 3))


def test_references_that_have_listened_tell_styles_and_are_then_held_still() -> None:
    """Dark items and light ones, which differ in content, too."""
    values = torch.rand(64, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(64) % 2
    items = Signal(0.5 * values + 0.5 * labels[:, None])
    columns = {"a": Memory(Signal(values), labels), "b": Memory(items, labels)}
    bridge = quick(tasks=[("a", "b")], reference="label", listening=60, steps=2)
    torch.manual_seed(0)
    bridge.connect({"a": Dots(), "b": Dots()}, 2)
    events = list(play(bridge, Table(columns, ("dark", "light")), log_every=60))
    told = [e.losses["references/right"] for e in events if "references/right" in e.losses]
    assert told[-1] > 0.9
    assert bridge.styles is not None
    listened, translated = bridge.stages()
    learning = {id(p) for phase in translated.phases for m in phase.learns for p in m.parameters()}
    held = [*bridge.styles.references.parameters(), *bridge.styles.tellers.parameters()]
    assert learning.isdisjoint(map(id, held))
    assert {id(p) for m in listened.phases[0].learns for p in m.parameters()} == set(map(id, held))


def test_tasks_may_learn_from_records_of_their_own() -> None:
    values, none = dots(16)[0], torch.full((16,), -1)
    rows = torch.arange(16)
    columns = {
        "a": Memory(Signal(values), none, rows),
        "b": Memory(Signal(values[:8]), none[:8], rows[:8]),
        "c": Memory(Signal(values[8:]), none[:8], rows[8:]),
    }
    domains = {d: Dots() for d in "abc"}
    translator = Translator(domains, quick(tasks=[("a", "b"), ("a", "c")], styled=()))
    translator.fit(Table(columns, ()), progress=False)
    with pytest.raises(DataError, match="no record holds all of b, c"):
        Translator(domains, quick(tasks=[("a", "b"), ("b", "c")])).fit(Table(columns, ()))


def test_critics_see_the_style_that_was_asked_for() -> None:
    for changes in ({}, {"conditional": True}, {"distance": 0.0, "latent_regression": 0.0}):
        bridge = joined(tasks=[("a", "b")], styled_critics=True, **changes)
        assert bridge.branches is not None
        batches = next(table("a", "b").feed(bridge.stages()[-1].draws, seed=0))
        ((_, one),) = bridge.translated(batches, 1)[0].items()
        encoded, *sampled = bridge.branches.judged("b", one)
        (seen,) = encoded.given
        assert torch.equal(seen.vector[:, -8:], one.styles[0])
        assert not seen.tokens.requires_grad
        shifted = Code(seen.tokens + 1)
        assert not torch.equal(encoded.critic(one.real, seen), encoded.critic(one.real, shifted))
        for branch in sampled:  # a drawn style would tell what is made
            assert all(code.tokens.shape[2] == bridge.width for code in branch.given)
            assert len(branch.given) == bridge.conditional
    assert all(term.isfinite() for term in terms(bridge).values())
    assert all(term.isfinite() for term in terms(bridge, "critics").values())


def test_targets_without_labels_lend_no_styles() -> None:
    values, none = dots(16)[0], torch.full((16,), -1)
    columns = {"a": Memory(Signal(values), torch.arange(16) % 2), "b": Memory(Signal(values), none)}
    bridge = quick(tasks=[("a", "b")], reference="label")
    with pytest.raises(DataError, match="hold all of a, b, with a label in each, and there are"):
        Translator({d: Dots() for d in "ab"}, bridge).fit(Table(columns, ("0", "1")))


def test_styles_by_labels_need_labels() -> None:
    for changes in ({"reference": "label"}, {"listening": 1}):
        bridge = quick(**changes)
        with pytest.raises(SettingError, match="these records have no"):
            bridge.connect({"a": Dots(), "b": Dots()}, 0)
            bridge.stages()


def test_the_token_layer_is_multi_head_attention_over_tanh_of_tokens() -> None:
    torch.manual_seed(0)
    layer = TokenLayer(latent=5, style=8, tokens=10, heads=4).double()
    r = torch.randn(3, 5, dtype=torch.float64)
    tokens = layer.tokens
    assert tokens is not None
    ask, key, value = layer.ask(r), layer.key(tokens.tanh()), layer.value(tokens.tanh())
    oracle = torch.nn.functional.scaled_dot_product_attention(
        *(x.view(-1, 4, 2).transpose(0, 1) for x in (ask, key, value))
    )
    expected = layer.join(oracle.transpose(0, 1).reshape(3, 8))
    assert torch.allclose(layer(r), expected, atol=1e-6)  # weights are of float32
    assert torch.allclose(layer.weights(r).sum(2), torch.ones(3, 4))


@pytest.mark.parametrize("tokens", [10, 0])
def test_styles_differ_from_the_first_step(tokens: int) -> None:
    torch.manual_seed(0)
    layer = TokenLayer(latent=16, style=128, tokens=tokens, heads=4)
    z = layer(torch.randn(200, 16))
    assert z.std(0).mean() > 0.3
    _, std = ReferenceEncoder(Dots(), 32, 16)(Signal(torch.rand(200, 6)))
    assert std.mean() < 0.1


def test_the_reference_encoder_reads_an_item_alike_in_any_padding() -> None:
    torch.manual_seed(0)
    speech = Speech(seconds=1.0)
    net = ReferenceEncoder(speech, 16, 4).eval()
    values = torch.rand(3, 30, speech.mels)
    lengths = torch.tensor([30, 17, 9])
    with torch.no_grad():
        company = net(Signal(values, lengths))[0]
        for i, n in enumerate(lengths.tolist()):
            alone = net(Signal(values[i : i + 1, :n], lengths[i : i + 1]))[0]
            assert torch.allclose(alone[0], company[i], atol=1e-5)


def test_the_reference_encoder_s_gru_is_always_in_training_mode() -> None:
    """In eval mode cuDNN takes no slopes through it; here it makes the same of both."""
    torch.manual_seed(0)
    net = ReferenceEncoder(Dots(), 8, 4)
    given = Signal(torch.rand(3, 6))
    wanted = net(given)
    assert net.eval() is net and not net.training and not net.prenet.training
    assert net.gru.training and not net.convs.training
    assert all(map(torch.equal, net(given), wanted))
    assert torch.nn.Sequential(net).eval()[0].gru.training
    assert net.train().training and net.prenet.training and net.gru.training


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_slopes_pass_a_reference_that_is_held_still_on_a_gpu() -> None:
    net = ReferenceEncoder(Dots(), 8, 4).requires_grad_(False).eval().cuda()
    values = torch.rand(3, 6, device="cuda", requires_grad=True)
    held_still(net, Signal(values))[0].sum().backward()
    assert values.grad is not None and bool(values.grad.any())


# -- objectives -------------------------------------------------------------------------------


def test_short_references_have_slopes_in_bfloat16() -> None:
    """A single token: kernels mostly see padding, of which torch left slopes uninitialised."""
    torch.manual_seed(0)
    net = ReferenceEncoder(Dots(), 8, 4)
    given = Signal(torch.rand(12, 6))
    sum(x.sum() for x in net(given)).backward()
    wanted = net.convs[3].weight.grad.clone()
    for _ in range(30):
        net.zero_grad()
        torch.full((3 * 128 * 128,), torch.nan)  # what memory may hold
        with torch.autocast("cpu", torch.bfloat16):
            sum(x.sum() for x in net(given)).backward()
        assert torch.allclose(net.convs[3].weight.grad, wanted, atol=0.05 * wanted.abs().max())


def test_a_reconstruction_counts_per_number() -> None:
    image = Image(size=8, std=0.1)
    made, real = Signal(torch.full((2, 1, 8, 8), 0.5)), Signal(torch.full((2, 1, 8, 8), 0.3))
    assert per_value(image, made, real).item() == pytest.approx(0.2**2 / (2 * 0.1**2), rel=1e-5)


def test_distances_leave_padding_out() -> None:
    one = Signal(torch.ones(1, 4, 2), torch.tensor([2]))
    other = Signal(torch.zeros(1, 3, 2), torch.tensor([3]))
    assert apart(one, other).item() == pytest.approx(2 / 3)  # of three steps that are real
    assert apart(other, one).item() == pytest.approx(2 / 3)
    assert apart(Signal(one.values, torch.tensor([0])), one).item() == pytest.approx(1)


def test_a_distance_does_not_depend_on_an_item_s_company() -> None:
    torch.manual_seed(0)
    first, second = torch.rand(2, 9, 3), torch.rand(2, 7, 3)
    one = Signal(first, torch.tensor([2, 9]))
    other = Signal(second, torch.tensor([3, 5]))
    alone = apart(Signal(first[:1, :2], one.lengths[:1]), Signal(second[:1, :3], other.lengths[:1]))
    assert apart(one, other)[0].item() == pytest.approx(alone.item())
    gap = (first[:1, :2] - second[:1, :2]).abs().sum() + second[0, 2].sum()
    assert alone.item() == pytest.approx(gap.item() / 9)


def test_the_diversity_gain_is_clamped_at_the_data_s_own_distance() -> None:
    real = Signal(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))  # neighbours are 1 apart
    near, far = Signal(torch.zeros(2, 2)), Signal(torch.full((2, 2), 5.0))
    z, other = torch.zeros(2, 3), torch.full((2, 3), 2.0)
    assert diversity_gain(far, near, real, z, other).item() == pytest.approx(1 / 2)
    close = Signal(torch.full((2, 2), 0.25))
    assert diversity_gain(close, near, real, z, other).item() == pytest.approx(0.25 / 2)
    assert diversity_gain(close, near, real, z, z).item() == pytest.approx(0.25 / 1e-2)


def test_the_diversity_gain_teaches_neither_the_encoded_branch_nor_the_encoder() -> None:
    real = Signal(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    sampled, encoded = (torch.rand(2, 2, requires_grad=True) for _ in range(2))
    styles = [torch.rand(2, 3, requires_grad=True) for _ in range(2)]
    diversity_gain(Signal(sampled), Signal(encoded), real, *styles).backward()
    assert sampled.grad is not None and sampled.grad.abs().sum() > 0
    assert encoded.grad is None and all(z.grad is None for z in styles)


def test_texts_differ_by_their_probabilities() -> None:
    sure = torch.tensor([[[0.0, -40.0]]])
    other = torch.tensor([[[-40.0, 0.0]]])
    units, one = torch.tensor([[1]]), torch.tensor([1])
    gain = diversity_gain(
        Signal(sure, one),
        Signal(other, one),
        Signal(units, one),
        torch.zeros(1, 2),
        torch.ones(1, 2),
    )
    assert gain.item() == pytest.approx(1.0)


def test_the_latent_regression_leaves_the_encoder_alone() -> None:
    torch.manual_seed(0)
    net = ReferenceEncoder(Dots(), 8, 4)
    values = torch.rand(2, 6, requires_grad=True)
    mean = held_still(net, Signal(values))[0]
    assert torch.allclose(mean, net(Signal(values))[0])
    mean.square().sum().backward()
    assert values.grad is not None and values.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.parameters())


def test_what_is_misread_is_the_mean_error_and_moves_only_what_was_made() -> None:
    torch.manual_seed(0)
    net = ReferenceEncoder(Dots(), 8, 4)
    values = torch.rand(2, 6, requires_grad=True)
    r = torch.randn(2, 4, requires_grad=True)
    missed = misread(net, Signal(values), r)
    read = net(Signal(values))[0].detach().numpy()
    assert missed.item() == pytest.approx(abs(read - r.detach().numpy()).mean(), rel=1e-5)
    missed.backward()
    assert values.grad is not None and values.grad.abs().sum() > 0
    assert r.grad is None and all(p.grad is None for p in net.parameters())


def test_the_latent_regression_moves_no_running_statistics() -> None:
    net = torch.nn.BatchNorm1d(3)
    held_still(net, torch.randn(8, 3))
    assert torch.equal(net.running_mean, torch.zeros(3)) and net.num_batches_tracked == 0


def test_the_terms_are_the_paper_s_and_each_can_be_left_out() -> None:
    whole = terms(joined(tasks=[("a", "b")]))
    assert set(whole) == {"reconstruction", "adversarial", "kl", "latent", "distance"}
    assert whole["distance"] < 0  # gained, where Eq. 8 would have it paid
    gone = {"adversarial": 0.0, "latent_regression": 0.0, "distance": 0.0}
    assert set(terms(joined(tasks=[("a", "b")], **gone))) == {"reconstruction", "kl"}
    assert set(terms(joined(tasks=[("a", "b")], styled=(), adversarial=0.0))) == {"reconstruction"}
    both = terms(joined())
    assert {"reconstruction/a->b", "kl/b->a"} < set(both)


@pytest.mark.parametrize("drawn", [{}, {"latent_regression": 0.0, "distance": 0.0}])
def test_what_is_made_is_to_be_read_as_its_reference(drawn: dict[str, float]) -> None:
    changes = {"tasks": [("a", "b")], "reference": "label", "listening": 2, **drawn}
    bridge = joined(style_reconstruction=3.0, **changes)
    assert set(terms(bridge)) == {*terms(joined(**changes)), "style"}
    stage = bridge.stages()[-1]
    batches = next(table("a", "b").feed(stage.draws, seed=0))
    made, left = stage.given(batches, 1)[1]
    (one,) = made.values()
    found = bridge.translator_loss(batches, (made, left))["style"]
    assert bridge.styles is not None
    read = bridge.styles.references["b"](one.encoded)[0]
    assert found.item() == pytest.approx(3 * (read - one.mean).abs().mean().item(), rel=1e-5)
    taught = {id(p) for phase in stage.phases for net in phase.learns for p in net.parameters()}
    assert not taught & {id(p) for p in bridge.styles.references.parameters()}


def test_what_is_read_counts_from_where_it_is_told_to() -> None:
    changes = {"tasks": [("a", "b")], "reference": "label", "listening": 2, "steps": 4}
    whole = joined(style_reconstruction=3.0, **changes)
    late = joined(style_reconstruction=3.0, style_reconstruction_from=0.5, **changes)
    found = [terms(late, step=step)["style"].item() for step in (1, 2, 4)]
    wanted = [terms(whole, step=step)["style"].item() for step in (1, 2, 4)]
    assert found == [0, *wanted[1:]] and min(wanted) > 0


def test_the_distance_regularisation_falls_to_nothing() -> None:
    bridge = joined(tasks=[("a", "b")], steps=4)
    assert terms(bridge, step=4)["distance"].item() == 0


def test_critics_face_what_is_made_in_both_branches() -> None:
    found = terms(joined(tasks=[("a", "b")]), "critics")
    assert set(found) == {"adversarial", "right/a->b", "right/a->b/sampled"}
    assert all(0 <= found[name] <= 1 for name in found if name.startswith("right"))


def seen_as() -> UniversalAttention:
    """Pictures to pictures, whose critics say their layers."""
    bridge = quick(tasks=[("a", "b")], matching=2.0, conditional=False)
    torch.manual_seed(0)
    bridge.connect({"a": Image(8), "b": Image(8)}, 2)
    return bridge


def test_matching_is_the_distance_of_what_critics_see() -> None:
    bridge = seen_as()
    assert bridge.branches is not None
    code, real, made = Code(torch.randn(2, 1, 8)), torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    made.requires_grad_()
    found = bridge.branches.matching("b", Translated(code, Signal(real), Signal(made)))
    first, *others, _ = bridge.branches.encoded["b"].layers
    pairs = [(first(Signal(made)), first(Signal(real)))]
    for layer in others:
        pairs.append((layer(pairs[-1][0]), layer(pairs[-1][1])))
    missed = [F.l1_loss(*pair).item() for pair in pairs]
    assert found.item() == pytest.approx(sum(missed) / len(missed))
    found.backward()
    assert made.grad is not None and made.grad.abs().sum() > 0
    same = bridge.branches.matching("b", Translated(code, Signal(real), Signal(real)))
    assert same.item() == 0


def test_matching_teaches_the_whole_translator() -> None:
    bridge = seen_as()
    pictures = Memory(Signal(torch.rand(12, 1, 8, 8)), torch.arange(12) % 2)
    assert bridge.branches is not None
    stage = bridge.stages()[-1]
    batches = next(Table({"a": pictures, "b": pictures}, "01").feed(stage.draws, seed=0))
    (phase,) = (phase for phase in stage.phases if phase.name == "translator")
    given = stage.given(batches, 1)
    found = phase.objective(*given)["matching"]
    ((_, one),) = given[1][0].items()
    assert found.item() == pytest.approx(2 * bridge.branches.matching("b", one).item())
    found.backward()
    for net in (bridge.prenets, bridge.generators):
        assert sum(float(p.grad.abs().sum()) for p in net.parameters() if p.grad is not None) > 0


def test_matching_wants_critics_of_layers() -> None:
    with pytest.raises(SettingError, match=r"Critic has no `layers`; set matching=0"):
        joined(matching=1.0)
    with pytest.raises(SettingError, match="there are none; set adversarial above 0"):
        joined(matching=1.0, adversarial=0.0)


def test_a_reference_of_the_same_label_is_another_item() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([0, 1, 0, 1, 0, 2, -1, -1])
    for _ in range(20):
        other = of_same_label(labels, torch.arange(8))
        assert torch.equal(labels[other], labels)
        assert bool((other[:5] != torch.arange(5)).all())
        assert other[5:].tolist() == [5, 6, 7]


def test_an_item_drawn_twice_is_no_other_item() -> None:
    torch.manual_seed(0)
    labels, rows = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([7, 7, 8, 9, 9])
    for _ in range(20):
        other = of_same_label(labels, rows)
        assert other[:2].tolist() == [2, 2] and other[2] in (0, 1)
        assert other[3:].tolist() == [3, 4]  # the label has one record


def test_partners_of_the_same_label_are_drawn_by_the_largest_of_a_batch_of_numbers() -> None:
    """What trainings of before drew, where no row comes twice."""
    labels = torch.arange(64) % 5
    torch.manual_seed(4)
    found = of_same_label(labels, torch.arange(64) + 9)
    torch.manual_seed(4)
    numbers = torch.rand(64, 64)
    for i, place in enumerate(found.tolist()):
        others = [j for j in range(64) if j != i and labels[j] == labels[i]]
        assert place == max(others, key=lambda j: float(numbers[i, j]))


@pytest.mark.parametrize("listening", [0, 2])
def test_a_batch_without_two_of_each_label_is_refused(listening: int) -> None:
    settings = {"reference": "label", "batch": 6, "listening": listening, "tasks": [("a", "b")]}
    for classes, refused in ((3, False), (4, True)):
        bridge = quick(**settings)
        bridge.connect({"a": Dots(), "b": Dots()}, classes)  # it can be loaded all the same
        if refused:
            with pytest.raises(SettingError, match="no two of each of 4 labels; set batch to 8"):
                bridge.stages()
        else:
            stage = bridge.stages()[-1]
            batches = next(table("a", "b", classes=3).feed(stage.draws, seed=0))["a->b"]
            other = of_same_label(batches.labels["b"], batches.rows["b"])
            assert bool((batches.rows["b"][other] != batches.rows["b"]).all())
    bridge = quick(**{**settings, "styled": (), "listening": 0})
    bridge.connect({"a": Dots(), "b": Dots()}, 9)
    bridge.stages()  # nothing is lent


# -- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"style_width": 10}, r"style_width \(10\) is no multiple of heads \(4\)"),
        ({"tasks": ["ab"]}, "a task is a pair"),
        ({"adversarial": -1.0}, "adversarial must be a number >= 0"),
        ({"matching": -1.0}, "matching must be a number >= 0"),
        ({"adversarial": {"a": -1.0}}, "adversarial a must be a number >= 0"),
        ({"reference": "mine"}, "reference must be one of 'target', 'label'"),
        ({"guide_until": 0.0}, "guide_until must be a number"),
        ({"listening": -1}, "listening must be a whole number >= 0"),
        ({"style_reconstruction": 1.0}, "style_reconstruction needs references that have learned"),
        (
            {"style_reconstruction": 1.0, "listening": 1, "styled": ()},
            "let a domain be styled, or style_reconstruction=0",
        ),
        ({"style_reconstruction_from": 1.0}, "style_reconstruction_from must be a number >= 0"),
        ({"beta1": 1.0}, "beta1 must be a number >= 0 <= 0.999, not 1.0"),
        ({"heads": 0}, "heads must be a whole number >= 1"),
        ({"game": "chess"}, "game must be one of"),
    ],
)
def test_a_bad_setting_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        quick(**changes)


def test_tasks_of_unknown_domains_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="no domain 'c' here"):
        joined(tasks=[("a", "c")])
    for named in ({"styled": ["c"]}, {"adversarial": {"c": 0.1}}):
        with pytest.raises(UnknownNameError, match="no domain 'c' here"):
            joined(**named)
    with pytest.raises(SettingError, match="joins two domains or more"):
        quick().connect({"a": Dots()}, 0)


@pytest.mark.parametrize("name", list(UniversalAttention.published))
def test_the_published_settings_play_a_step(name: str) -> None:
    bridge = UniversalAttention(**{**UniversalAttention.published[name], "steps": 1})
    bridge.connect({"a": Dots(), "b": Dots()}, 2)
    start = {k: v.clone() for k, v in bridge.state_dict().items()}
    losses = [v for event in play(bridge, table("a", "b")) for v in event.losses.values()]
    assert losses and all(map(math.isfinite, losses))
    assert not same(start, bridge.state_dict())


# -- learning ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_learns_to_translate_and_follows_a_reference() -> None:
    """The target is the source, darker or lighter: which of both is its style."""
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(256, 6, generator=generator)
    turned = torch.arange(256) % 2
    target = torch.where(turned[:, None].bool(), 0.5 * source, 0.5 + 0.5 * source)
    columns = {"a": Memory(Signal(source), turned), "b": Memory(Signal(target), turned)}
    bridge = quick(
        tasks=[("a", "b")], steps=800, batch=16, rate=3e-3, reconstruction=20.0,
        reference="label", ema=None, width=32,
    )  # fmt: skip
    translator = Translator({"a": Dots(), "b": Dots()}, bridge)
    translator.fit(Table(columns, ("plain", "turned")), progress=False)
    signal = Signal(torch.rand(64, 6, generator=generator))
    with torch.no_grad():
        code = bridge.encode(signal, "a")
        for style, wanted in ((1, 0.5 * signal.values), (0, 0.5 + 0.5 * signal.values)):
            reference = Signal(target[turned == style][:1])
            made = bridge.decode(code, "b", bridge.style(reference, "b")).values
            error = (made - wanted).abs().mean().item()
            assert error < 0.08  # the mean of both styles is 0.25 away


def told() -> tuple[UniversalAttention, Table]:
    """Texts into speech and back, an adversarial game among them."""
    domains = {
        "text": Registry.load().modality("text")(
            longest=8, hidden=8, embedding=8, bank=1, critic=8
        ),
        "speech": Speech(seconds=0.12, reduction=2),
    }
    waves = [0.5 * torch.sin(0.3 * torch.arange(n)) for n in (500, 600, 800, 900)]
    items = {"text": ["hello", "a", "b c", "x y"], "speech": waves}
    labels = torch.arange(4) % 2
    columns = {d: Memory(m.collate(items[d]), labels) for d, m in domains.items()}
    torch.manual_seed(3)
    bridge = quick(batch=4, guide=1.0, styled=["speech"], adversarial={"speech": 0.1})
    bridge.connect(domains, 2)
    return bridge, Table(columns, ("0", "1"))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_it_trains_in_every_precision(precision: str) -> None:
    bridge, table = told()
    start = {k: v.clone() for k, v in bridge.state_dict().items()}
    play(bridge, table, precision=precision)
    assert all(v.isfinite().all() for v in bridge.state_dict().values())
    assert not same(start, bridge.state_dict())


@pytest.mark.parametrize("stop", [1, 3])
def test_a_training_stopped_goes_on_to_the_same_bits(stop: int, tmp_path: Path) -> None:
    assert goes_on_alike(told, stop, tmp_path)
