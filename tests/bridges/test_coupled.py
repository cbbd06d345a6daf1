"""What weight tying and the synchronizer have in common: prior, inversion, training, saving."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from games import Chain, batches, columns, connected, goes_on_alike, play, quick
from kernel_toys import same

from transmodal.core.bridge import Bridge
from transmodal.core.bridges.synchronizer import Synchronizer
from transmodal.core.bridges.teacher import Teacher
from transmodal.core.bridges.weight_tying import WeightTying
from transmodal.core.code import Code
from transmodal.core.errors import ReachError, SettingError, UnknownNameError, UnsupportedError
from transmodal.core.health import SIGNS
from transmodal.core.kernel import Kernel, Training
from transmodal.core.latents.inversion import invert
from transmodal.core.latents.prior import SCALE, Prior
from transmodal.core.latents.searches import AdamSearch
from transmodal.core.modality import Modality
from transmodal.core.signal import Signal
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator
from transmodal.registry import Registry
from transmodal.registry.contract import check_bridge

BRIDGES: list[Callable[..., Any]] = [WeightTying, Synchronizer]
both = pytest.mark.parametrize("kind", BRIDGES)


def ends() -> dict[str, Modality]:
    registry = Registry.load()
    image, speech, audio = (registry.modality(n) for n in ("image", "speech", "audio"))
    return {
        "picture": image(size=8),
        "thin": image(size=8, waist=2),
        "spoken": speech(sample_rate=4000, seconds=0.3),
        "curve": audio("raster", samples=32, points=16, bins=16),
        "sound": audio(sample_rate=4000, seconds=0.2),
    }


def real(domains: dict[str, Modality], n: int = 6) -> Table:
    """Random signals of the domains, all of a row belonging together."""
    made = {}
    for name, modality in domains.items():
        generator = modality.generator(4)
        with torch.no_grad():
            signal = generator(_code(n))
        made[name] = Memory(signal, torch.arange(n) % 2)
    return Table(made, ("0", "1"))


def _code(n: int) -> Any:
    from transmodal.core.code import Code

    return Code.of(torch.randn(n, 4))


@both
@pytest.mark.parametrize(
    "names", [("picture",) * 2, ("spoken",) * 2, ("curve", "picture", "sound"), ("thin", "spoken")]
)
def test_the_contract_holds_with_pictures_speech_and_sound(kind: Any, names: Any) -> None:
    torch.manual_seed(0)
    kinds = ends()
    domains = {f"{name}{i}": kinds[name] for i, name in enumerate(names)}
    little = {"batch": 3, "inversion": {"name": "adam", "steps": 2, "restarts": 2}}
    little |= {"pairs": 3} if kind is Synchronizer else {}
    check_bridge(quick(kind, **little), domains, real(domains), items=2)


@both
def test_the_contract_holds_with_every_option(kind: Any) -> None:
    options: dict[str, Any] = {"augment": True, "game": "hinge", "r1": 1.0}
    if kind is Synchronizer:
        options |= {"concepts": 3, "sync_r1": 0.1, "sync_augment": True,
                    "fusion": "concatenation", "choosing": 0.5}  # fmt: skip
    else:
        options |= {"classification": 1.0, "matching": 0.1}
    domains = {d: Chain() for d in "abc"}
    check_bridge(quick(kind, **options), domains, columns(True, 20, *"abc", labelled=True))


@pytest.mark.parametrize("changes", [{}, {"concepts": 3, "inverse_steps": 0}])
def test_the_contract_holds_with_reach(changes: dict[str, Any]) -> None:
    domains = {d: Chain() for d in "abc"}
    table = columns(True, 20, *"abc", labelled=True)
    check_bridge(quick(Synchronizer, reaching=2.0, **changes), domains, table)


def test_the_contract_holds_with_reach_between_a_picture_speech_and_a_sound() -> None:
    torch.manual_seed(0)
    kinds = ends()
    domains = {name: kinds[name] for name in ("picture", "spoken", "sound")}
    little = {"batch": 3, "pairs": 3, "inversion": {"name": "adam", "steps": 2, "restarts": 2}}
    check_bridge(quick(Synchronizer, reaching=2.0, **little), domains, real(domains), items=2)


def test_what_health_reads_is_what_trainings_send() -> None:
    told: set[str] = set()
    for kind in BRIDGES:
        for progress in play(connected(quick(kind)), columns(True)):
            told |= set(progress.losses)
    for sign in SIGNS:
        for note in sign.notes:
            assert (f"{note}/a" if sign.each else note) in told


# -- the prior ------------------------------------------------------------------------------


def test_draws_hold_a_normal_part_and_a_concept_all_equally_often() -> None:
    torch.manual_seed(0)
    prior = Prior(3, 4)
    z = prior.draw(4000, torch.device("cpu"))
    assert z.shape == (4000, prior.width) == (4000, 7)
    assert torch.equal(z[:, 3:].sum(1), torch.full((4000,), SCALE))
    assert (z[:, 3:].mean(0) / SCALE - 0.25).abs().max() < 0.03  # four deviations of 4000 draws
    assert z[:, :3].mean().abs() < 0.04 and abs(z[:, :3].std() - 1) < 0.03


def test_snapping_takes_the_nearest_concept_and_lets_gradients_pass_the_rest() -> None:
    z = torch.tensor([[0.3, -1.0, 0.2, 0.7, 0.6]], requires_grad=True)
    snapped = Prior(2, 3).snap(z)
    assert snapped.tolist() == [[pytest.approx(0.3), -1.0, 0.0, SCALE, 0.0]]
    (slope,) = torch.autograd.grad(snapped.sum(), z)
    assert slope.tolist() == [[1, 1, 0, 0, 0]]
    assert Prior(5).snap(z) is z


def test_starts_are_always_the_same_and_concepts_take_turns() -> None:
    prior, cpu = Prior(2, 3), torch.device("cpu")
    first = prior.starts(5, cpu)
    torch.manual_seed(9)
    assert torch.equal(first, prior.starts(5, cpu))
    assert first[:, 2:].argmax(1).tolist() == [0, 1, 2, 0, 1]


def test_a_miss_is_squared_error_and_cross_entropy() -> None:
    guess, z = torch.randn(4, 5), Prior(2, 3).draw(4, torch.device("cpu"))
    which = z[:, 2:].argmax(1)
    wanted = ((guess[:, :2] - z[:, :2]) ** 2).mean()
    wanted = wanted - guess[:, 2:].log_softmax(1)[torch.arange(4), which].mean()
    torch.testing.assert_close(Prior(2, 3).miss(guess, z), wanted)


# -- the game -------------------------------------------------------------------------------


@both
def test_the_critics_loss_is_the_papers(kind: Any) -> None:
    bridge = connected(quick(kind))
    given = batches(bridge, columns(True))
    terms = bridge.critic_loss(*given)
    drawn, made = given[0], given[1].signals
    wanted, right = torch.zeros(()), {}
    for d in "ab":
        yes = bridge.judge(drawn["items"].signals)[d]
        no = bridge.judge(made)[d]
        wanted = wanted - yes.sigmoid().log().mean() - (1 - no.sigmoid()).log().mean()
        right[d] = ((yes > 0).float().mean() + (no < 0).float().mean()) / 2
    torch.testing.assert_close(terms["adversarial"], wanted)
    for d in "ab":
        assert terms[f"right/{d}"] == right[d]
        assert not terms[f"diversity/{d}"].requires_grad
    fooled = sum(-bridge.judge(made)[d].sigmoid().log().mean() for d in "ab")
    torch.testing.assert_close(bridge.fooling(made), fooled)


@both
def test_the_critics_do_not_teach_the_generators(kind: Any) -> None:
    bridge = connected(quick(kind))
    given = batches(bridge, columns(True))
    bridge.critic_loss(*given)["adversarial"].backward()
    makers = bridge.generators if kind is Synchronizer else bridge.ends
    assert all(p.grad is None for p in makers.parameters())
    assert all(signal.values.requires_grad for signal in given[1].signals.values())


@both
def test_the_penalty_is_half_r1_of_the_slopes_on_real_items(kind: Any) -> None:
    bridge = connected(quick(kind, r1=3.0))
    given = batches(bridge, columns(True))
    wanted = 0.0
    for d in "ab":
        x = given[0]["items"].signals[d].values.clone().requires_grad_()
        other = {**given[0]["items"].signals, d: Signal(x)}
        (slope,) = torch.autograd.grad(bridge.judge(other)[d].sum(), x)
        wanted += float(slope.square().sum(1).mean())
    assert float(bridge.critic_penalty(*given).detach()) == pytest.approx(1.5 * wanted, rel=1e-5)


# -- training -------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_trains_in_every_precision(kind: Any, precision: str) -> None:
    bridge = connected(quick(kind, steps=6))
    start = {k: v.clone() for k, v in bridge.state_dict().items()}
    losses = [
        v for e in play(bridge, columns(True), precision=precision) for v in e.losses.values()
    ]
    assert len(losses) > 20 and all(math.isfinite(v) for v in losses)
    assert all(v.isfinite().all() for v in bridge.state_dict().values())
    assert not same(start, bridge.state_dict())


@both
def test_published_settings_play_a_step(kind: Any) -> None:
    for name, published in kind.published.items():
        bridge = kind(**{**published, "steps": 1})
        unknown = set(published) - set(bridge.settings())
        assert not unknown
        table = columns(True, 300, labelled=True)
        losses = play(connected(bridge, classes=2), table)[0].losses
        assert all(math.isfinite(v) for v in losses.values()), name


# a synchronizer's training has a stage more, and is saved once more
STOPS = [(kind, stop) for kind in BRIDGES for stop in range(1, 5 + (kind is Synchronizer))]


@pytest.mark.parametrize(("kind", "stop"), STOPS)
def test_a_training_stopped_goes_on_to_the_same_bits(kind: Any, stop: int, tmp_path: Any) -> None:
    def made() -> tuple[Any, Table]:
        return connected(quick(kind)), columns(True)

    assert goes_on_alike(made, stop, tmp_path)


@pytest.mark.parametrize("stop", [3, 4])
def test_a_training_for_reach_stopped_goes_on_to_the_same_bits(stop: int, tmp_path: Any) -> None:
    def made() -> tuple[Any, Table]:
        return connected(quick(Synchronizer, reaching=2.0, inverse_steps=0)), columns(True)

    assert goes_on_alike(made, stop, tmp_path)


# -- through the common space ---------------------------------------------------------------


def learned(kind: Any, **changes: Any) -> Any:
    """A short training on two kinds of vectors that a linear map turns over."""
    settings = {
        "latent": 4,
        "steps": 500,
        "batch": 32,
        "inverse_steps": 150,
        "ema": 0.98,
        **changes,
    }
    bridge = connected(kind(**{**settings, "inversion": {"name": "adam", "steps": 60}}))
    play(bridge, columns(True, 200), log_every=200)
    return bridge


TOLD: dict[Any, Any] = {}


@pytest.fixture(params=BRIDGES, ids=["weight-tying", "synchronizer"])
def trained(request: Any) -> Any:
    kind = request.param
    if kind not in TOLD:
        own = {"lead": 0.25} if kind is WeightTying else {"sync_steps": 200, "concepts": 2}
        TOLD[kind] = learned(kind, critic_rate=1e-3, **own)
    return TOLD[kind]


def test_samples_of_both_kinds_belong_together(trained: Any) -> None:
    torch.manual_seed(0)
    made = trained.sample(500, ["a", "b"])
    front = {d: x.values[:, :3].mean(1) > x.values[:, 3:].mean(1) for d, x in made.items()}
    share = front["a"].float().mean()
    assert 0.2 < share < 0.8  # chance of a collapsed one: 0 or 1
    agree = (front["a"] != front["b"]).float().mean()
    # unpaired data cannot tell which kind goes with which; pairs can (chance 0.5)
    assert agree > 0.9 if isinstance(trained, Synchronizer) else max(agree, 1 - agree) > 0.9


def test_inversion_finds_what_was_made_and_no_batch_matters(trained: Any) -> None:
    torch.manual_seed(0)
    made = trained.sample(6, ["a", "b"])
    code = trained.encode(made["a"], "a")
    again = trained.decode(code, "a").values
    spread = made["a"].values.var(0).sum()
    assert (again - made["a"].values).square().sum(1).mean() < 0.05 * spread
    alone = trained.encode(made["a"][2:3], "a")
    torch.testing.assert_close(alone.tokens, code.tokens[2:3], rtol=0, atol=1e-3)


def test_what_no_generator_reaches_is_an_error(trained: Any) -> None:
    far = torch.full((3, 6), 40.0)
    far[1] = columns(True).column("a").take(torch.tensor([0])).values[0]
    with pytest.raises(ReachError, match=r"generator of 'a' does not reach 2 of 3.*residuals\) 0 "):
        trained.encode(Signal(far), "a")


def test_an_inversion_tells_how_far_it_is(trained: Any) -> None:
    told: list[tuple[int, int]] = []
    items = columns(True).column("a").take(torch.arange(2))
    trained.encode_telling(items, "a", lambda *now: told.append(now))
    assert told[-1] == (60, 60) and len(told) == 60


def test_unknown_domains_are_named(trained: Any) -> None:
    with pytest.raises(UnknownNameError, match="no domain 'c' here; this translator joins a, b"):
        trained.encode(Signal(torch.zeros(1, 6)), "c")


def test_an_inversion_ends_at_a_concept() -> None:
    bridge = connected(quick(Synchronizer, concepts=3, inverse_steps=0))
    code = bridge.encode(bridge.sample(4, ["a"])["a"], "a")
    assert code.vector.shape == (4, 7)
    assert code.vector[:, 4:].sort(1).values.tolist() == [[0, 0, SCALE]] * 4


# -- on disk --------------------------------------------------------------------------------


class Shelf:
    """Finds the toys by name."""

    def modality(self, name: str) -> type[Modality]:
        return {"chain": Chain}[name]  # type: ignore[return-value]

    def bridge(self, name: str) -> type[Bridge]:
        return {"weight-tying": WeightTying, "synchronizer": Synchronizer}[name]


@both
def test_a_translator_saved_and_loaded_samples_and_translates_alike(
    kind: Any, tmp_path: Any
) -> None:
    bridge = quick(kind, reach=100.0)
    translator = Translator({"a": Chain(), "b": Chain(size=5)}, bridge)
    table = Table({
        "a": columns(True).columns["a"],
        "b": Memory(Signal(torch.rand(40, 5)), torch.full((40,), -1)),
    })  # fmt: skip
    translator.fit(table, progress=False, device="cpu")
    translator.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["bridge"] == {"name": kind.name, "settings": bridge.settings()}
    loaded = Translator.load(tmp_path, Shelf())
    for d, items in translator.sample(3, seed=1).items():
        assert torch.equal(torch.stack(items), torch.stack(loaded.sample(3, seed=1)[d]))
    items = list(table.column("a").take(torch.arange(3)).values)
    there, again = translator.translate(items, "a", "b"), loaded.translate(items, "a", "b")
    torch.testing.assert_close(torch.stack(there), torch.stack(again))


# -- settings -------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("setting", "value"),
    [("latent", 0), ("batch", 1), ("steps", 0), ("r1_every", 0), ("inverse_steps", -1), ("r1", -1),
     ("rate", -0.1), ("beta1", 1.0), ("beta2", 1.0), ("ema", 2), ("game", "wasserstein"),
     ("reach", -1)],
)  # fmt: skip
def test_settings_out_of_range_are_refused(kind: Any, setting: str, value: Any) -> None:
    with pytest.raises(SettingError, match=f"{kind.name}: {setting} must be"):
        kind(**{setting: value})


@pytest.mark.parametrize(
    ("kind", "changes"), [(WeightTying, {}), (Synchronizer, {}), (Synchronizer, {"sync_steps": 0})]
)
def test_texts_are_refused_before_any_training(kind: Any, changes: dict[str, Any]) -> None:
    text = Registry.load().modality("text")(longest=6, hidden=8, embedding=8, bank=1, critic=8)
    labels = torch.arange(8) % 2
    columns = {"picture": Memory(Signal(torch.rand(8, 1, 8, 8)), labels),
               "said": Memory(text.collate(["ab", "zy"] * 4), labels)}  # fmt: skip
    bridge = quick(kind, **changes)
    bridge.connect({"picture": ends()["picture"], "said": text}, 2)
    kernel = Kernel(bridge, bridge.stages(), Table(columns, ("0", "1")), Training(device="cpu"))
    told = []
    with pytest.raises(UnsupportedError, match="items of said are discrete.*choose bridging-vae"):
        for event in kernel.run():
            told.append(event)
    assert not told  # no stage had begun


@both
def test_one_domain_is_no_couple(kind: Any) -> None:
    with pytest.raises(SettingError, match="ties two domains or more, not 1"):
        kind().connect({"a": Chain()}, 0)


def test_a_search_keeps_the_concept_it_starts_from() -> None:
    """The prior draws the normal part to 0 and leaves the concept's code alone."""
    prior = Prior(3, 4)
    torch.manual_seed(0)
    turn = torch.randn(7, 9)
    z = prior.draw(12, torch.device("cpu"))
    query = Signal(z @ turn)
    found = invert(
        lambda x: Signal(prior.snap(x) @ turn), query, z[:, None], search=AdamSearch(), normal=3
    )
    assert torch.equal(prior.snap(found.z)[:, 3:], z[:, 3:])


def test_what_lies_between_two_concepts_is_decoded_as_one_of_them() -> None:
    bridge = quick(Synchronizer, concepts=3)
    bridge.connect({"a": Chain(), "b": Chain()}, 0)
    z = bridge.space.draw(2, torch.device("cpu"))
    between = Code.of(z.mean(0, keepdim=True))
    snapped = Code.of(bridge.space.snap(between.vector))
    made = [bridge.decode(code, "a").values for code in (between, snapped)]
    assert torch.equal(made[0], made[1])


@pytest.mark.parametrize("inversion", [{}, {"restarts": 3}])
def test_an_inversion_without_a_name_is_refused(inversion: dict[str, int]) -> None:
    with pytest.raises(SettingError, match="inversion is the name of a search and its settings"):
        WeightTying(inversion=inversion)


@both
def test_a_search_by_name_alone_is_the_default_one(kind: Any) -> None:
    assert kind().search == kind(inversion={"name": "adam"}).search == AdamSearch()


def test_consistency_wants_a_classifier_and_augmentation() -> None:
    with pytest.raises(SettingError, match="consistency is a part of the classification"):
        WeightTying(consistency=1.0)
    bridge = quick(WeightTying, consistency=1.0, classification=1.0)
    with pytest.raises(SettingError, match="without augment both are the same; set augment=True"):
        connected(bridge, classes=2).stages()
    bridge = quick(WeightTying, consistency=1.0, classification=1.0, augment=True)
    assert connected(bridge, classes=2).stages()


def test_a_teacher_follows_buffers_and_survives_numbers_that_are_not() -> None:
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))
    teacher = Teacher([net], 2, 0.9)
    net(torch.randn(8, 2) + 3)
    teacher.follow([net])
    assert torch.equal(teacher.copies[0][0].running_mean, net[0].running_mean)
    named = teacher.name(torch.tensor([[float("nan"), 0.0], [9.0, -9.0]]))
    assert named.tolist() == [-1, 0]
    assert bool(teacher.seen.isfinite().all())


def test_generators_that_would_make_noise_for_good_are_not_trained() -> None:
    domains = {"a": Chain(), "b": Registry.load().modality("features")(size=4)}
    bridge = quick(WeightTying)
    bridge.connect(domains, 0)  # what was trained so still loads
    with pytest.raises(SettingError, match="items of 'b' are vectors as wide as z, so that"):
        bridge.stages()
    wider = quick(WeightTying, latent=5)
    wider.connect(domains, 0)
    assert wider.stages()
