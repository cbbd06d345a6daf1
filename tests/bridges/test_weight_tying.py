"""Weight tying: what is shared, unpaired data, the leading domain, the classifier."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from games import Chain, batches, columns, connected, play, quick
from torch import nn

from transmodal.core.bridges.weight_tying import WeightTying, apart
from transmodal.core.errors import SettingError, UnknownNameError, UnsupportedError
from transmodal.core.layers import alike, layers_of, made_alike, through, tied
from transmodal.core.signal import Signal
from transmodal.core.subnets import Down

from toys import Dots


def made(*domains: str, classes: int = 0, **settings: Any) -> Any:
    return connected(quick(WeightTying, **settings), domains or ("a", "b"), classes)


# -- tied layers ----------------------------------------------------------------------------


@pytest.mark.parametrize(("generator", "critic"), [(None, None), (2, 2), (1, 0), (0, 1), (0, 0)])
def test_so_many_layers_are_shared_and_saved_once(generator: Any, critic: Any) -> None:
    bridge = made("a", "b", "c", tied_generator=generator, tied_critic=critic, inverse_steps=0)
    k, m = (2 if n is None else n for n in (generator, critic))  # of three layers each
    assert (len(bridge.trunk), len(bridge.summit)) == (k, m)
    assert all(len(end) == 3 - k for end in bridge.ends.values())
    assert all(len(entrance) == 3 - m for entrance in bridge.entrances.values())
    held = list(bridge.state_dict().values())
    assert len({t.data_ptr() for t in held}) == len(held)
    one = sum(p.numel() for p in Chain().generator(4).parameters())
    inner = sum(p.numel() for layer in bridge.trunk for p in layer.parameters())
    makers = sum(p.numel() for net in (bridge.trunk, bridge.ends) for p in net.parameters())
    assert makers == 3 * one - 2 * inner


def test_both_domains_pass_the_same_trunk_and_teach_it() -> None:
    bridge, z = made(), torch.randn(3, 4)
    for d in "ab":
        bridge.zero_grad()
        bridge.make(z, [d])[d].values.sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in bridge.trunk.parameters())
        other = bridge.ends["b" if d == "a" else "a"]
        assert all(p.grad is None for p in other.parameters())
        alone = through([*bridge.trunk, *bridge.ends[d]], bridge.prior(3))
        assert alone.values.shape == (3, 6)


def test_the_shared_critic_layers_give_each_domain_its_own_logits() -> None:
    bridge = made()
    x = {"a": Signal(torch.rand(3, 6)), "b": Signal(torch.rand(5, 6))}
    logits = bridge.judge(x)
    for d, signal in x.items():
        wanted = through([*bridge.entrances[d], *bridge.summit], signal)
        torch.testing.assert_close(logits[d], wanted)


def test_critics_begin_alike_where_they_are_made_alike() -> None:
    bridge = made(tied_critic=1)
    first, other = (bridge.entrances[d].state_dict() for d in "ab")
    assert all(torch.equal(first[k], other[k]) for k in first)
    first, other = (bridge.ends[d].state_dict() for d in "ab")
    assert not all(torch.equal(first[k], other[k]) for k in first)


def test_domains_of_other_sizes_tie_what_is_alike() -> None:
    bridge = quick(WeightTying)
    bridge.connect({"a": Chain(), "b": Chain(size=9)}, 0)
    assert len(bridge.trunk) == 2 and len(bridge.summit) == 2
    assert bridge.make(torch.randn(2, 4), "ab")["b"].values.shape == (2, 9)


def test_subnets_that_tell_no_layers_share_nothing() -> None:
    bridge = quick(WeightTying)
    bridge.connect({"a": Dots(), "b": Dots()}, 0)
    assert not len(bridge.trunk) and not len(bridge.summit)
    play(bridge, columns(False))


@pytest.mark.parametrize(
    ("what", "net"), [("tied_generator", "generator"), ("tied_critic", "discriminator")]
)
def test_ties_that_cannot_be_are_refused(what: str, net: str) -> None:
    with pytest.raises(
        SettingError, match=f"3 layers of the {net}s cannot be tied.*tie 2 or fewer"
    ):
        made(**{what: 3})
    bridge = quick(WeightTying, **{what: 1})
    with pytest.raises(SettingError, match="'a' 3, 'b' 3, 0 are made alike.*tie 0 or fewer"):
        bridge.connect({"a": Chain(), "b": Chain(hidden=8)}, 0)
    with pytest.raises(SettingError, match=f"weight-tying: {what} must be a whole number"):
        WeightTying(**{what: -1})


def test_chains_are_alike_as_far_as_their_first_difference() -> None:
    nets = [layers_of(Chain(size=n).generator(4)) for n in (6, 6, 7)]
    assert alike({"a": nets[0], "b": nets[1]}) == 3
    assert alike({"a": nets[0], "b": nets[2]}) == 2
    assert tied({"a": nets[0], "b": nets[1]}, None, "generator") == 2
    assert layers_of(Dots().discriminator())[0].__class__.__name__ == "Critic"


def test_settings_that_no_repr_tells_are_seen_all_the_same() -> None:
    assert not made_alike(Down(1, 2, (2, 2), 0.2, 3), Down(1, 2, (2, 2), 0.0, 3))
    assert not made_alike(Shift(0.1), Shift(0.2)) and made_alike(Shift(0.1), Shift(0.1))
    assert made_alike(nn.Sequential(Shift(0.1)).eval(), nn.Sequential(Shift(0.1)))


class Shift(nn.Module):
    """Says nothing of its setting."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by


# -- training -------------------------------------------------------------------------------


def test_unpaired_data_of_any_number_suffice() -> None:
    table = columns(False)
    assert not set(table.column("a").rows.tolist()) & set(table.column("b").rows.tolist())
    play(made(), table)


def test_one_pass_of_the_generators_serves_a_step() -> None:
    bridge = made(inverse_steps=0, lead=0.0)
    passes = []
    bridge.trunk[0].register_forward_hook(lambda *_: passes.append(1))
    play(bridge, columns(False))
    assert len(passes) == bridge.steps


def test_the_first_domain_leads_and_the_others_end_by_themselves() -> None:
    bridge = made(lead=0.5, steps=4)
    drawn = batches(bridge, columns(False))[0]
    for step, reached in ((1, False), (2, False), (3, True)):
        torch.manual_seed(0)
        signals = bridge.imagined(drawn, step).signals
        for d in "ab":
            bridge.zero_grad()
            signals[d].values.sum().backward(retain_graph=True)
            touched = any(p.grad is not None for p in bridge.trunk.parameters())
            assert touched == (reached or d == "a")
            assert all(p.grad is not None for p in bridge.ends[d].parameters())
        torch.manual_seed(0)
        wanted = bridge.make(bridge.space.draw(6, torch.device("cpu")), ["a", "b"])
        torch.testing.assert_close(signals["b"].values, wanted["b"].values)


# -- the classifier and feature matching ----------------------------------------------------


def features(bridge: Any, signal: Signal, d: str) -> torch.Tensor:
    return through([*bridge.entrances[d], *bridge.summit[:-1]], signal)


def test_class_and_matching_terms_are_the_papers() -> None:
    bridge = made(classes=2, classification=3.0, matching=0.1)
    table = columns(False, labelled=True)
    table.column("b").labels.fill_(-1)
    given = batches(bridge, table)
    drawn, signals = given[0], given[1].signals
    terms = bridge.critic_loss(*given)
    items = drawn["items"]
    logits = bridge.head(features(bridge, items.signals["a"], "a"))
    torch.testing.assert_close(terms["class"], 3 * F.cross_entropy(logits, items.labels["a"]))
    gap = features(bridge, signals["a"], "a") - features(bridge, signals["b"], "b")
    torch.testing.assert_close(terms["matching"], 0.1 * (gap**2).sum(1).mean())
    plain = super(WeightTying, bridge).critic_loss(*given)
    torch.testing.assert_close(terms["adversarial"], plain["adversarial"])
    theirs = bridge.generator_loss(*given)
    torch.testing.assert_close(theirs["matching"], terms["matching"])
    torch.testing.assert_close(theirs["adversarial"], bridge.fooling(signals))


def test_matching_of_three_domains_counts_each_from_the_first() -> None:
    x = [torch.randn(4, 5) for _ in range(3)]
    wanted = sum(((x[i] - x[0]) ** 2).sum(1).mean() for i in (1, 2))
    torch.testing.assert_close(apart(x), wanted)


def test_a_classifier_learns_from_whatever_labels_there_are() -> None:
    table = columns(False, 200, labelled=True)
    table.column("b").labels.fill_(-1)
    bridge = made(classes=2, classification=1.0, steps=100, batch=32, inverse_steps=0)
    play(bridge, table, log_every=50)
    with torch.no_grad():
        logits = bridge.classify(table.column("a").take(torch.arange(200)), "a")
        other = bridge.classify(table.column("b").take(torch.arange(3)), "b")
    assert logits.shape == (200, 2) and logits.dtype == torch.float32
    assert other.shape == (3, 2)
    assert (logits.argmax(1) == table.column("a").labels).float().mean() > 0.95  # chance 0.5


def test_a_classifier_needs_labels_and_a_tied_layer() -> None:
    with pytest.raises(UnsupportedError, match="has no classifier; set classification above 0"):
        made().classify(Signal(torch.rand(1, 6)), "a")
    with pytest.raises(SettingError, match="classification needs labels in some domain"):
        made(classification=1.0)
    for term in ("classification", "matching"):
        with pytest.raises(SettingError, match="so that layer must be tied"):
            made(classes=2, tied_critic=0, **{term: 1.0})
        with pytest.raises(SettingError, match=f"weight-tying: {term} must be a number >= 0"):
            WeightTying(**{term: -1.0})


def test_records_of_no_such_domain_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="hold no domain 'c'"):
        play(made("a", "c"), columns(False))


def test_discriminators_that_share_no_end_are_named_where_it_is_wanted() -> None:
    bridge = quick(WeightTying, matching=1.0)
    with pytest.raises(SettingError, match=r"discriminators that end alike \(a, b share 0 layers"):
        bridge.connect({"a": Chain(), "b": Dots()}, 0)
