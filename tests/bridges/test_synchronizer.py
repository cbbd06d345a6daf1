"""The synchronizer: real tuples, strangers, the generators' synchrony, its streams and needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from games import Chain, batches, columns, connected, play, quick

from transmodal.core.bridges.coupled import Made
from transmodal.core.bridges.synchronizer import Synchronizer
from transmodal.core.bridges.synchronizer_settings import ASYNCHRONY
from transmodal.core.errors import DataError, SettingError, UnsupportedError
from transmodal.core.records import Records
from transmodal.core.signal import Signal
from transmodal.core.stage import Draw
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator

from toys import Dots

FUSIONS = ("product", "features", "concatenation")
fusions = pytest.mark.parametrize("fusion", FUSIONS)


def made(*domains: str, **settings: Any) -> Any:
    return connected(quick(Synchronizer, **settings), domains or ("a", "b"))


def neighbours(fusion: str, d: int, b: int) -> list[list[int]]:
    """The items of the second domain that are strangers to item i of the first, by hand."""
    if fusion == "product":
        return [[j for j in range(b) if j != i] for i in range(b)]
    return [[(i - d) % b] for i in range(b)]


# -- the net --------------------------------------------------------------------------------


@fusions
def test_strangers_are_other_items_of_the_batch(fusion: str) -> None:
    net = made(fusion=fusion).synchronizer.eval()
    x = {d: Signal(torch.rand(5, 6)) for d in "ab"}
    yes, no = net.both(net.features(x))

    def told(i: int, others: list[int], one: str, two: str) -> torch.Tensor:
        here = {one: x[one][[i] * len(others)], two: x[two][others]}
        return net(here)

    wanted = [
        torch.stack([told(i, o, "a", "b") for i, o in enumerate(neighbours(fusion, 1, 5))]),
        torch.stack([told(i, o, "b", "a") for i, o in enumerate(neighbours(fusion, 1, 5))]),
    ]
    for p in range(len(yes)):  # by its product, an item of either domain meets strangers
        torch.testing.assert_close(yes[p], net(x))
        torch.testing.assert_close(no[p], wanted[p])
    assert yes.shape == no.shape[:2] == (2 if fusion == "product" else 1, 5)


@fusions
def test_strangers_of_ones_own_kind_are_left_out(fusion: str) -> None:
    net = made(fusion=fusion).synchronizer.eval()
    x = {d: Signal(torch.rand(5, 6)) for d in "ab"}
    kinds = torch.tensor([0, 0, 1, 1, 0])
    features = net.features(x)
    (yes, no), (_, apart) = net.both(features), net.both(features, kinds)
    for i, others in enumerate(neighbours(fusion, 1, 5)):
        for m, j in enumerate(others):
            alike = kinds[i] == kinds[j]
            torch.testing.assert_close(apart[0, i, m], torch.tensor(-1e4) if alike else no[0, i, m])
    everyone = net.both(features, torch.zeros(5))[1]
    assert ASYNCHRONY["contrast"](yes, everyone) == 0  # nobody is left to be told from


@fusions
def test_three_domains_are_judged_at_once(fusion: str) -> None:
    net = made("a", "b", "c", fusion=fusion).synchronizer.eval()
    x = {d: Signal(torch.rand(5, 6)) for d in "abc"}
    yes, no = net.both(net.features(x))
    if fusion == "product":  # the mean over the pairs of domains would hide who meets whom
        assert yes.shape == (6, 5) and no.shape == (6, 5, 4)
        torch.testing.assert_close(yes.mean(0), net(x))
    else:
        rolled = {d: Signal(x[d].values.roll(i, 0)) for i, d in enumerate("abc")}
        torch.testing.assert_close(yes[0], net(x))
        torch.testing.assert_close(no[0, :, 0], net(rolled))


def test_domains_of_other_structure_cannot_be_laid_upon_each_other() -> None:
    bridge = quick(Synchronizer, fusion="concatenation")
    with pytest.raises(SettingError, match="only where all domains have one modality"):
        bridge.connect({"a": Chain(), "b": Chain(size=5)}, 0)
    bridge = quick(Synchronizer, fusion="concatenation")
    with pytest.raises(UnsupportedError, match="no discriminator of signals laid upon"):
        bridge.connect({"a": Dots(), "b": Dots()}, 0)
    for unused in ({"width": 64}, {"sync_dropout": 0.1}):
        with pytest.raises(SettingError, match="features, and fusion='concatenation' has none"):
            Synchronizer(fusion="concatenation", **unused)
    with pytest.raises(SettingError, match="synchronizer: fusion must be one of"):
        Synchronizer(fusion="sum")


# -- the objectives -------------------------------------------------------------------------


@fusions
@pytest.mark.parametrize("asynchrony", ["each", "none"])
def test_synchrony_is_the_papers_on_logs_of_probabilities(fusion: str, asynchrony: str) -> None:
    bridge = made(fusion=fusion, synchrony=2.0, asynchrony=asynchrony, sync_steps=0)
    given = batches(bridge, columns(True))
    signals = given[1].signals
    terms = bridge.generator_loss(*given)
    s, b = bridge.synchronizer, 6
    here = s({d: signals[d] for d in "ab"}).sigmoid()
    loss = -here.log().mean()  # z1 = z2
    if asynchrony == "each":  # z1 != z2
        away = [
            s({"a": signals["a"][i : i + 1], "b": signals["b"][j : j + 1]}).sigmoid()
            for i, others in enumerate(neighbours(fusion, 1, b))
            for j in others
        ]
        loss = loss - (1 - torch.cat(away)).log().mean()
    torch.testing.assert_close(terms["synchrony"], loss)
    torch.testing.assert_close(terms["adversarial"], bridge.fooling(signals))
    torch.testing.assert_close(terms["made"], here.mean().detach())


def test_reaching_makes_real_records_again_from_either_of_their_items() -> None:
    bridge = made(reaching=3.0, inverse_steps=0, sync_steps=0)
    bridge.variance_a.fill_(2.0)
    bridge.variance_b.fill_(0.5)
    given = batches(bridge, columns(True))
    real = given[0]["pairs"].signals
    found = bridge.reach_terms(*given)
    half = len(real["a"]) // 2
    missed = torch.zeros(())
    for source, part in (("a", slice(None, half)), ("b", slice(half, None))):
        z = bridge.inverses[source](real[source][part]).vector
        for domain, variance in (("a", 2.0), ("b", 0.5)):
            again = bridge.make(z, [domain])[domain].values
            missed = missed + (again - real[domain].values[part]).square().sum() / variance
    torch.testing.assert_close(found["reach"], 3.0 * missed / (2 * len(real["a"])))
    game = bridge.stages()[-1].phases[-1]
    assert {id(m) for m in game.learns} == {id(bridge.generators), id(bridge.inverses)}
    loss = sum(found.values())
    loss.backward()
    assert all(p.grad is not None for m in game.learns for p in m.parameters())


def test_contrast_names_an_items_own_among_those_of_other_concepts() -> None:
    bridge = made(asynchrony="contrast", concepts=2, synchrony=2.0, sync_steps=0)
    given = batches(bridge, columns(True))
    x, kinds = given[1].signals, given[1].z[:, 4:].argmax(1)
    f, g = (bridge.synchronizer.nets[d](x[d]).vector for d in "ab")
    logits = f @ g.T / 256**0.5 + bridge.synchronizer.bias
    named = torch.zeros(())
    for i in range(6):
        other = [j for j in range(6) if kinds[j] != kinds[i]]
        for row in (logits[i], logits[:, i]):
            named = named - row[[i, *other]].log_softmax(0)[0] / 12
    here = -logits.diagonal().sigmoid().log().mean()
    torch.testing.assert_close(bridge.generator_loss(*given)["synchrony"], here + named)


def test_the_synchronizer_learns_from_real_tuples_only() -> None:
    bridge = made(sync_steps=0, fusion="features")
    drawn, made_ = batches(bridge, columns(True))
    terms = bridge.synchronizer_loss(drawn, made_)
    x = drawn["pairs"].signals
    strangers = {"a": x["a"], "b": Signal(x["b"].values.roll(1, 0))}
    yes, no = (bridge.synchronizer(given).sigmoid() for given in (x, strangers))
    torch.testing.assert_close(terms["synchrony"], -(yes.log().mean() + (1 - no).log().mean()) / 2)
    assert terms["right"] == ((yes > 0.5).float().mean() + (no < 0.5).float().mean()) / 2
    terms["synchrony"].backward()
    assert all(p.grad is None for p in bridge.generators.parameters())
    others = {d: Signal(torch.rand_like(v.values)) for d, v in made_.signals.items()}
    other = Made(made_.z, others)
    torch.testing.assert_close(
        bridge.synchronizer_loss(drawn, other)["synchrony"], terms["synchrony"]
    )


@fusions
def test_a_record_twice_in_a_batch_is_no_stranger_to_itself(fusion: str) -> None:
    bridge = made(sync_steps=0, fusion=fusion, pairs=6)
    drawn = batches(bridge, columns(True))[0]
    one = replace(drawn["pairs"], rows=dict.fromkeys("ab", torch.zeros(6, dtype=torch.long)))
    features = bridge.synchronizer.features(one.signals)
    yes, _ = bridge.synchronizer.both(features)
    loss = bridge.synchronizer_loss({**drawn, "pairs": one})["synchrony"]
    torch.testing.assert_close(loss, F.softplus(-yes).mean() / 2)  # nobody is a stranger


def test_its_penalty_is_half_its_weight_of_the_slopes_in_all_items() -> None:
    bridge = made(sync_steps=0, sync_r1=3.0)
    drawn, signals = batches(bridge, columns(True))
    x = {d: v.values.clone().requires_grad_() for d, v in drawn["pairs"].signals.items()}
    logits = bridge.synchronizer({d: Signal(v) for d, v in x.items()})
    slopes = torch.autograd.grad(logits.sum(), list(x.values()))
    wanted = 1.5 * sum(s.square().sum(1).mean() for s in slopes)
    torch.testing.assert_close(bridge.synchronizer_penalty(drawn, signals), wanted)


# -- streams --------------------------------------------------------------------------------


def test_critics_and_pairs_have_streams_of_their_own() -> None:
    bridge = made(sync_steps=0, inverse_steps=0)
    (game,) = bridge.stages()
    assert game.draws == [Draw("items", ("a", "b"), 6), Draw("pairs", ("a", "b"), 6, "paired")]
    table = columns(True)
    seen = next(table.feed(game.draws, seed=0))
    rows = {name: batch.rows for name, batch in seen.items()}
    assert torch.equal(rows["pairs"]["a"], rows["pairs"]["b"])
    assert not torch.equal(rows["items"]["a"], rows["items"]["b"])
    assert not torch.equal(rows["items"]["a"], rows["pairs"]["a"])


def test_a_synchronizer_finished_first_rests_in_the_game() -> None:
    bridge = made(sync_steps=3, inverse_steps=0)
    first, game = bridge.stages()
    assert [p.name for p in first.phases] == ["synchronizer"]
    assert [p.name for p in game.phases] == ["discriminator", "generator"]
    learned = [m for phase in game.phases for m in phase.learns]
    assert bridge.synchronizer not in learned
    play(bridge, columns(True))


def partly(pairs: int, n: int = 30) -> Table:
    """Records of both domains, then as many of one domain only."""
    whole = columns(True, n)
    rows = {
        "a": torch.arange(n),
        "b": torch.cat([torch.arange(pairs), torch.arange(n, 2 * n - pairs)]),
    }
    free, every = torch.full((n,), -1), torch.arange(n)
    return Table({d: Memory(whole.column(d).take(every), free, rows[d]) for d in "ab"})


def test_a_few_pairs_suffice_and_all_items_reach_the_critics() -> None:
    bridge = made(sync_steps=0, steps=10, inverse_steps=0)
    table = partly(3)
    (game,) = bridge.stages()
    seen: dict[str, set[int]] = {"items": set(), "pairs": set()}
    for _, batch in zip(range(10), table.feed(game.draws, seed=0), strict=False):
        for name, rows in seen.items():
            rows.update(batch[name].rows["b"].tolist())
    assert seen["pairs"] == {0, 1, 2}
    assert len(seen["items"]) == 30
    play(bridge, table)


def test_no_pairs_are_an_error_that_says_what_to_do() -> None:
    columns = {d: list(torch.rand(8, 6)) for d in "ab"}
    translator = Translator({"a": Chain(), "b": Chain()}, quick(Synchronizer))
    with pytest.raises(DataError, match="needs pairs, and no record holds all of a, b.*Give some"):
        translator.fit(Records.from_arrays(columns), progress=False)
    with pytest.raises(DataError, match="wants rows that hold all of a, b, and there are none"):
        play(made(), partly(0))


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize(("pairs", "zeros", "message"), [
    (1, False, "one record alone holds all of a, b, and asynchronous tuples"),
    (9, True, "all items of b are alike, and reaching is measured by their variance"),
])  # fmt: skip
def test_data_nothing_can_be_told_of_are_refused_before_any_stage(
    pairs: int, zeros: bool, message: str, steps: int
) -> None:
    bridge = quick(Synchronizer, sync_steps=steps, reaching=1.0 if zeros else 0.0)
    data = partly(pairs)
    if zeros:
        b = data.columns["b"]
        still = replace(b, signal=Signal(torch.zeros_like(b.signal.values)))  # type: ignore[type-var]
        data = Table({**data.columns, "b": still})
    begun: list[Any] = []
    translator = Translator({"a": Chain(), "b": Chain()}, bridge)
    with pytest.raises(DataError, match=message):
        translator.fit(data, progress=False, watch=begun.append)
    assert not begun


def test_an_inversion_may_be_chosen_by_synchrony_too() -> None:
    bridge = made(choosing=0.5)
    z, query = torch.randn(3, 4), Signal(torch.rand(3, 6))
    there = bridge.make(z, ["a", "b"])
    together = bridge.synchronizer({"b": there["b"], "a": query}).sigmoid().log()
    wanted = together - (there["a"].values - query.values).square().sum(1) / (2 * 0.5**2)
    torch.testing.assert_close(bridge.scorer("a")(z, query), wanted)
    assert made().scorer("a") is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [("width", 0), ("pairs", 1), ("sync_steps", -1), ("sync_rate", -1), ("sync_r1", -1),
     ("sync_dropout", 1.0), ("synchrony", -1), ("choosing", -1), ("concepts", -1)],
)  # fmt: skip
def test_settings_out_of_range_are_refused(setting: str, value: Any) -> None:
    with pytest.raises(SettingError, match=f"synchronizer: {setting} must be"):
        Synchronizer(**{setting: value})
