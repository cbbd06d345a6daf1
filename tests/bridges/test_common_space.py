"""The common space: its networks, its game, its stages, what it embeds and renders."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from games import goes_on_alike, play
from kernel_toys import same

from transmodal.core.adversarial import GAMES
from transmodal.core.bridges.common_game import InterCritic, strangers, told_apart
from transmodal.core.bridges.common_space import CommonSpace
from transmodal.core.code import Code
from transmodal.core.errors import DataError, SettingError, UnknownNameError, UnsupportedError
from transmodal.core.modality import Modality
from transmodal.core.records import Records
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator
from transmodal.registry import Registry
from transmodal.registry.contract import check_bridge

SMALL: dict[str, Any] = {
    "hidden": 8, "common": 6, "critic": 8, "dropout": 0.1, "batch": 6, "steps": 2,
    "pretrain_steps": 2, "ends_steps": 2, "representation": 5, "turns": 2,
}  # fmt: skip
CLASSES = ("0", "1", "2")


def quick(**changes: Any) -> CommonSpace:
    """A bridge with little of everything."""
    return CommonSpace(**{**SMALL, **changes})


def ends() -> dict[str, Modality]:
    registry = Registry.load()
    kinds = {name: registry.modality(name) for name in ("image", "speech", "audio", "features")}
    return {
        "picture": kinds["image"](size=8),
        "spoken": kinds["speech"](sample_rate=4000, seconds=0.3),
        "sound": kinds["audio"](sample_rate=4000, seconds=0.2),
        "vector": kinds["features"](size=7, std=2.0),
    }


def vectors(n: int = 60, **sizes: int) -> tuple[dict[str, Modality], Table]:
    """Domains of features, of three classes that point in directions of their own."""
    sizes = sizes or {"a": 5, "b": 3}
    features = Registry.load().modality("features")
    y = torch.arange(n) % 3
    columns = {}
    for i, (d, size) in enumerate(sizes.items()):
        generator = torch.Generator().manual_seed(i)
        centres = 3 * torch.randn(3, size, generator=generator)
        x = centres[y] + 0.5 * torch.randn(n, size, generator=generator) + 4
        columns[d] = Memory(Signal(x), y)
    return {d: features(size=size) for d, size in sizes.items()}, Table(columns, CLASSES)


def joined(bridge: CommonSpace, classes: int = 3, **sizes: int) -> tuple[CommonSpace, Table]:
    domains, table = vectors(**sizes)
    torch.manual_seed(3)
    bridge.connect(domains, classes)
    return bridge, table


def drawn(bridge: CommonSpace, table: Table, stage: str = "game") -> Any:
    """The batches of a stage's first step."""
    found = next(s for s in bridge.stages() if s.name == stage)
    prepared = table
    if found.prepare is not None:
        prepared = found.prepare(table, torch.Generator())
    return next(prepared.feed(found.draws, seed=0))


@pytest.mark.parametrize(
    "names",
    [("picture", "vector"), ("spoken", "sound"), ("vector", "vector", "picture", "sound")],
)
def test_the_contract_holds_with_every_kind_of_end(names: Any) -> None:
    torch.manual_seed(0)
    kinds, n = ends(), 9
    domains = {f"{name}{i}": kinds[name] for i, name in enumerate(names)}
    columns = {}
    for d, modality in domains.items():
        with torch.no_grad():
            signal = modality.generator(4)(Code.of(torch.randn(n, 4)))
        columns[d] = Memory(signal, torch.arange(n) % 3)
    check_bridge(quick(batch=4), domains, Table(columns, CLASSES), items=2)
    if any(name == "vector" for name in names):  # which needs no generator
        check_bridge(quick(batch=4, generators=False), domains, Table(columns, CLASSES), items=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"shared": False, "semantic": 0.0, "mismatch": "literal"},
        {"inter": 0.0, "agreement": 0.0},
        {"inter": 0.0, "intra": 0.0, "match": "classes", "retrieve": "common"},
        {"game": "least-squares", "intra": 0.0},
    ],
)
def test_the_contract_holds_with_every_option(changes: dict[str, Any]) -> None:
    domains, table = vectors(a=5, b=3, c=4)
    check_bridge(quick(**changes), domains, table)


# -- networks -------------------------------------------------------------------------------


def test_the_shared_layer_is_one_and_its_statistics_are_each_domains() -> None:
    bridge, _ = joined(quick())
    apart, _ = joined(quick(shared=False))
    assert list(bridge.paths.maps) == ["all"] and list(apart.paths.maps) == ["a", "b"]
    bridge.train()
    bridge.paths.encode(torch.randn(20, 5) * 9, "a")
    moved = [bridge.paths.norms[d].running_var - 1 for d in "ab"]
    assert moved[0].abs().max() > 0.01 and not moved[1].any()


def test_representations_are_standardised_by_the_training_items() -> None:
    bridge, table = joined(quick())
    prepared = bridge.represented(table, torch.Generator())
    for d in "ab":
        h = prepared.column(d).take(torch.arange(60)).values
        torch.testing.assert_close(h.mean(0), torch.zeros(h.shape[1]), atol=1e-5, rtol=0)
        torch.testing.assert_close(h.std(0, correction=0), torch.ones(h.shape[1]))
        again = bridge.ends.represent(table.column(d).take(torch.arange(60)), d)
        torch.testing.assert_close(again, h)


def test_decoding_gives_the_vectors_back_in_their_units() -> None:
    bridge, table = joined(quick(pretrain_steps=300, dropout=0.0, hidden=32, common=32,
                                 batch=30, reconstruction=10.0))  # fmt: skip
    play(bridge, table, log_every=500)
    x = table.column("a").take(torch.arange(60))
    made = bridge.decode(bridge.encode(x, "a"), "a").values
    spread = x.values.var(0).sum()
    assert (made - x.values).square().sum(1).mean() < 0.2 * spread


# -- the game -------------------------------------------------------------------------------


def test_strangers_are_of_another_class_and_never_the_item_itself() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([0, 0, 1, 2, 2, 0, 1])
    met = torch.stack([strangers(labels) for _ in range(200)])
    assert (labels[met] != labels).all()
    assert {tuple(sorted(set(met[:, i].tolist()))) for i in (0, 1)} == {(2, 3, 4, 6)}
    alone = strangers(torch.tensor([-1, -1, -1]))
    assert (alone != torch.arange(3)).all()
    assert (strangers(torch.zeros(4, dtype=torch.long)) != torch.arange(4)).all()


@pytest.mark.parametrize("mismatch", ["anchor", "literal"])
def test_the_critics_loss_is_the_papers(mismatch: Any) -> None:
    bridge, table = joined(quick(mismatch=mismatch))
    given = drawn(bridge, table)
    bridge.eval()
    torch.manual_seed(4)
    terms = bridge.critic_loss(given)
    torch.manual_seed(4)
    h = {d: given["items"].signals[d].values for d in "ab"}
    s = {d: bridge.paths.encode(h[d], d) for d in "ab"}
    inter, intra = torch.zeros(()), torch.zeros(())
    for d, e in (("a", "b"), ("b", "a")):
        other = strangers(given["items"].labels[d])
        critic = lambda s, h, d=d: bridge.between[d](s, h).sigmoid()  # noqa: E731
        condition = h[d] if mismatch == "anchor" else h[d][other]
        inter = inter - critic(s[d], h[d]).log().mean()  # Eq. 7
        inter = inter - (1 - critic(s[e], h[d])).log().mean() / 2
        inter = inter - (1 - critic(s[d][other], condition)).log().mean() / 2
        r = bridge.paths.decode(s[d], d)
        intra = intra - bridge.within[d](h[d]).sigmoid().log().mean()  # Eq. 5
        intra = intra - (1 - bridge.within[d](r).sigmoid()).log().mean()
    torch.testing.assert_close(terms["inter"], inter / 2)
    torch.testing.assert_close(terms["intra"], intra / 2)


def test_the_generators_loss_ascends_equations_9_and_10() -> None:
    bridge, table = joined(
        quick(inter=0.3, intra=0.7, reconstruction=2.0, semantic=0.5, agreement=4.0)
    )
    given = drawn(bridge, table)
    bridge.eval()
    terms = bridge.generator_loss(given)
    h = {d: given["items"].signals[d].values for d in "ab"}
    s = {d: bridge.paths.encode(h[d], d) for d in "ab"}
    r = {d: bridge.paths.decode(s[d], d) for d in "ab"}
    y = given["items"].labels["a"]
    log = {d: bridge.between[d](s[e], h[d]).sigmoid().log() for d, e in (("a", "b"), ("b", "a"))}
    want = {
        "inter": -0.3 * (log["a"].mean() + log["b"].mean()) / 2,
        "intra": -0.7 * sum(bridge.within[d](r[d]).sigmoid().log().mean() for d in "ab") / 2,
        "reconstruction": 2 * sum((r[d] - h[d]).square().mean() for d in "ab") / 2,
        "semantic": 0.5 * sum(F.cross_entropy(bridge.head(s[d]), y) for d in "ab") / 2,
    }
    p, q = (bridge.head(s[d]).softmax(1) for d in "ab")
    want["agreement"] = 4 * (((p - q) * (p.log() - q.log())).sum(1)).mean() / 2
    assert set(terms) == set(want)
    for name, value in want.items():
        torch.testing.assert_close(terms[name], value, msg=name)


def margin(anchored: bool) -> list[float]:
    """Matched over mismatched, in logits, before and after a critic's training.

    The generators are held at their aim: both domains' s are the same function of the item, so
    that only the strangers can teach the critic who matches whom.
    """
    torch.manual_seed(0)
    labels = torch.arange(96) % 4
    h = F.one_hot(labels, 4).float() + 0.1 * torch.randn(96, 4)
    s = torch.relu(h @ torch.randn(4, 6))
    critics = torch.nn.ModuleDict({d: InterCritic(6, 4, 32) for d in "ab"})
    adam = torch.optim.Adam(critics.parameters(), 3e-3)
    found = []
    for _ in range(120):
        adam.zero_grad()
        both = {"a": s, "b": s}, {"a": h, "b": h}, {"a": labels, "b": labels}
        loss, far = told_apart(critics, GAMES["non-saturating"], *both, anchored)
        loss.backward()
        adam.step()
        found.append(float(far))
    return [found[0], sum(found[-20:]) / 20]


def test_only_anchored_strangers_teach_who_matches_whom() -> None:
    first, last = margin(anchored=True)
    assert abs(first) < 0.1 and last > 1.5
    first, last = margin(anchored=False)
    assert abs(first) < 0.1 and last < 0.5


def test_switches_leave_their_parts_out() -> None:
    bridge, table = joined(quick(inter=0.0, intra=0.0, semantic=0.0))
    assert bridge.head is None and not bridge.between and not bridge.within
    game = bridge.stages()[-1]
    assert [phase.name for phase in game.phases] == ["generators"]
    assert set(bridge.generator_loss(drawn(bridge, table))) == {"reconstruction"}
    only, table = joined(quick(intra=0.0))
    assert set(only.critic_loss(drawn(only, table))) == {"inter", "margin"}
    phases = {phase.name: phase.turns for phase in only.stages()[-1].phases}
    assert phases == {"critics": 1, "generators": 2}


# -- training -------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_trains_in_every_precision(precision: str) -> None:
    bridge, table = joined(quick(steps=5, game="hinge"))
    start = {k: v.clone() for k, v in bridge.state_dict().items()}
    losses = [v for e in play(bridge, table, precision=precision) for v in e.losses.values()]
    # a step that fp16 overflows is left out, and has no losses
    assert sum(map(math.isfinite, losses)) > (20 if precision == "fp16" else len(losses) - 1)
    assert all(v.isfinite().all() for v in bridge.state_dict().values())
    assert not same(start, bridge.state_dict())


@pytest.mark.parametrize("stop", range(1, 5))
def test_a_training_stopped_goes_on_to_the_same_bits(stop: int, tmp_path: Any) -> None:
    def made() -> tuple[CommonSpace, Table]:
        domains, table = vectors()
        domains["c"] = Registry.load().modality("image")(size=8)
        pictures = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        columns = {**table.columns, "c": Memory(Signal(pictures), table.columns["a"].labels)}
        torch.manual_seed(3)
        bridge = quick()
        bridge.connect(domains, 3)
        return bridge, Table(columns, CLASSES)

    assert goes_on_alike(made, stop, tmp_path)


def test_published_settings_play_a_step() -> None:
    for published in CommonSpace.published.values():
        short = {**published, "steps": 1, "pretrain_steps": 1}
        bridge, table = joined(CommonSpace(**short))
        assert set(published) <= set(bridge.settings())
        assert all(math.isfinite(v) for v in play(bridge, table)[0].losses.values())


def test_training_brings_items_of_a_class_together_across_domains() -> None:
    settings = {"hidden": 32, "common": 16, "steps": 100, "pretrain_steps": 30, "turns": 1}
    for retrieve in ("semantic", "common"):
        bridge, table = joined(quick(**settings, batch=30, retrieve=retrieve))
        play(bridge, table, log_every=150)
        index = torch.arange(60)
        first, second = (bridge.embed(table.column(d).take(index), d) for d in "ab")
        near = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T
        labels = table.column("a").labels
        assert (labels[near.argmax(1)] == labels).float().mean() > 0.9  # chance 1/3
        read = bridge.classify(table.column("b").take(index), "b").argmax(1)
        assert (read == labels).float().mean() > 0.9


def test_without_labels_prenets_learn_as_autoencoders() -> None:
    image = Registry.load().modality("image")(size=8)
    pictures = torch.rand(12, 1, 8, 8)
    unknown = torch.full((12,), -1)
    table = Table({d: Memory(Signal(pictures), unknown) for d in "ab"}, ())
    bridge = quick()
    bridge.connect({"a": image, "b": image}, 0)
    (phase,) = bridge.stages()[0].phases
    terms = phase.objective(drawn(bridge, table, "ends"))
    sum(terms.values()).backward()
    assert all(p.grad is not None for p in bridge.ends.prenets.parameters())
    assert bridge.embed(Signal(pictures), "a").shape == (12, 6)
    play(bridge, table)


# -- ends -----------------------------------------------------------------------------------


def test_adopted_prenets_are_held_still() -> None:
    domains = {"a": ends()["picture"], "b": ends()["vector"]}
    bridge = quick(generators=False)
    bridge.connect(domains, 3)
    prenet = domains["a"].prenet(5, pooled=True)
    bridge.adopt("a", prenet)
    assert [stage.name for stage in bridge.stages()] == ["pretrain", "game"]
    x = Signal(torch.rand(2, 1, 8, 8))
    assert torch.equal(bridge.ends.represent(x, "a"), prenet(x).vector)
    with pytest.raises(UnknownNameError, match="no domain 'c' here"):
        bridge.adopt("c", prenet)
    for width, size in ((6, 8), (5, 40)):
        other = Registry.load().modality("image")(size=size).prenet(width, pooled=True)
        with pytest.raises(SettingError, match=r"'a' is made otherwise than .*\(.*weight.*width"):
            bridge.adopt("a", other)


def test_an_adopted_prenet_is_saved_and_loaded(tmp_path: Any) -> None:
    registry = Registry.load()
    image = registry.modality("image")(size=8)
    labels = torch.arange(12) % 3
    columns = {d: Memory(Signal(torch.rand(12, 1, 8, 8)), labels) for d in "abc"}
    translator = Translator({d: image for d in "abc"}, quick())
    translator.connect(CLASSES)
    bridge = translator.bridge
    assert isinstance(bridge, CommonSpace)
    bridge.adopt("a", image.prenet(5, pooled=True))
    held = [p.clone() for p in bridge.ends.prenets["a"].parameters()]
    batches = drawn(bridge, Table(columns, CLASSES), "ends")
    assert set(bridge.ends.read_loss(batches)) == {"b", "c"}  # who learns
    translator.fit(Table(columns, CLASSES), progress=False)
    assert all(map(torch.equal, held, bridge.ends.prenets["a"].parameters()))
    translator.save(tmp_path / "saved")
    loaded = Translator.load(tmp_path / "saved", registry).bridge
    assert same(bridge.state_dict(), loaded.state_dict())


def test_what_cannot_be_done_says_what_to_do_instead() -> None:
    bridge = quick(generators=False, semantic=0.0)
    bridge.connect({"a": ends()["picture"], "b": ends()["vector"]}, 3)
    code = bridge.encode(Signal(torch.rand(2, 1, 8, 8)), "a")
    assert bridge.decode(code, "b").values.shape == (2, 7)
    assert bridge.directions() == [("a", "b"), ("b", "b")]
    with pytest.raises(UnsupportedError, match="'a' has no generator here.*to choose from"):
        bridge.decode(code, "a")
    with pytest.raises(UnsupportedError, match="no semantic head; set semantic above 0"):
        bridge.classify(Signal(torch.rand(2, 1, 8, 8)), "a")
    blind = quick(generators=False)
    blind.connect({"a": ends()["picture"], "b": ends()["vector"]}, 0)
    with pytest.raises(SettingError, match="the prenets of a learn from labels or by a generator"):
        blind.stages()


@pytest.mark.parametrize("generators", [True, False])
def test_a_prenet_none_of_whose_items_has_a_label_is_refused_before_training(
    generators: bool,
) -> None:
    domains = {"a": ends()["picture"], "b": ends()["picture"], "c": ends()["vector"]}
    labels, unknown = torch.arange(12) % 3, torch.full((12,), -1)
    pictures = Signal(torch.rand(12, 1, 8, 8))
    columns = {"a": Memory(pictures, labels), "b": Memory(pictures, unknown),
               "c": Memory(Signal(torch.rand(12, 7)), unknown)}  # fmt: skip
    bridge = quick(generators=generators)
    bridge.connect(domains, 3)
    with pytest.raises(DataError, match="the prenets of b learn from labels, and none"):
        drawn(bridge, Table(columns, CLASSES), "ends")
    with pytest.raises(DataError, match="label some in each domain"):
        play(bridge, Table(columns, CLASSES))
    bridge.adopt("b", domains["b"].prenet(5, pooled=True))
    assert set(bridge.ends.read_loss(drawn(bridge, Table(columns, CLASSES), "ends"))) == {"a"}


def test_pairs_or_classes_decide_whose_items_meet() -> None:
    domains, table = vectors()
    columns = dict(table.columns)
    b = columns["b"]
    columns["b"] = Memory(b.signal, b.labels, b.rows + 100)  # no row holds both
    apart = Table(columns, CLASSES)
    bridge = quick()
    bridge.connect(domains, 3)
    with pytest.raises(DataError, match="wants rows that hold all of a, b"):
        drawn(bridge, apart)
    bridge = quick(match="classes")
    bridge.connect(domains, 3)
    labels = drawn(bridge, apart)["items"].labels
    assert torch.equal(labels["a"], labels["b"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mismatch": "other"}, "mismatch must be one of 'anchor', 'literal', not 'other'"),
        ({"match": "rows"}, "match must be one of 'pairs', 'classes'"),
        ({"retrieve": "s"}, "retrieve must be one of 'common', 'semantic'"),
        ({"game": "poker"}, "game must be one of"),
        ({"turns": 0}, "turns must be a whole number >= 1"),
        ({"batch": 1}, "batch must be a whole number >= 2"),
        ({"inter": -1.0}, "inter must be a number >= 0"),
        ({"dropout": 1.0}, "dropout must be a number >= 0 <= 0.999"),
    ],
)
def test_settings_are_checked(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        CommonSpace(**changes)


def test_one_domain_is_not_enough() -> None:
    with pytest.raises(SettingError, match="joins two domains or more, not 1"):
        quick().connect({"a": ends()["vector"]}, 3)


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("pairs", r'no record holds all of a, b\. .* match="classes" learns by their labels'),
        ("classes", r'no item of .a. has one\. match="classes" learns .* from labels'),
    ],
)
def test_what_belongs_together_is_asked_for_before_training(match: str, message: str) -> None:
    features = Registry.load().modality("features")
    values, labels = torch.rand(6, 4), list("001122")
    given = {"a": labels, "b": labels} if match == "pairs" else None
    records = Records.from_arrays({"a": list(values), "b": list(values)}, given)
    translator = Translator({d: features(size=4) for d in "ab"}, CommonSpace(match=match))
    with pytest.raises(DataError, match=message):
        translator.fit(records, progress=False)


def test_classes_no_two_domains_share_are_refused_before_any_stage() -> None:
    _, data = vectors(n=12)
    columns = {
        d: Memory(data.columns[d].take(torch.arange(12)), torch.full((12,), k))
        for k, d in enumerate("ab")
    }
    audio, features = (Registry.load().modality(name) for name in ("audio", "features"))
    sound = audio("raster", samples=32, points=16, bins=16)
    columns["a"] = Memory(sound.collate([torch.rand(32)] * 12), columns["a"].labels)
    translator = Translator({"a": sound, "b": features(size=3)}, quick(match="classes"))
    begun: list[Any] = []
    with pytest.raises(DataError, match="wants 1 or more classes that all of a, b have"):
        translator.fit(Table(columns, CLASSES), progress=False, watch=begun.append)
    assert not begun
