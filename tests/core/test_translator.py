"""The translator: fit, use, save and load, and every way to use it wrongly."""

from __future__ import annotations

import json
import math
import os
import signal
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from transmodal.core import progress
from transmodal.core.bridge import Bridge, Needs
from transmodal.core.bridges.bridging_vae import BridgingVAE
from transmodal.core.code import Code
from transmodal.core.errors import (
    CheckpointError,
    DataError,
    ReachError,
    SettingError,
    TrainingError,
    UnknownNameError,
    UnsupportedError,
)
from transmodal.core.evaluation.card import Card
from transmodal.core.evaluation.sampling import joint_samples
from transmodal.core.joined import _between
from transmodal.core.kernel.events import Progress
from transmodal.core.latents.reach import require_reached
from transmodal.core.latents.vae import VAE
from transmodal.core.records import Records
from transmodal.core.stage import UNLABELLED
from transmodal.core.table import Memory, Table
from transmodal.core.translator import Translator
from transmodal.registry import Registry

from toys import Dots, Swap, dots, table


class Shelf:
    """Finds the toys by name, as a Registry would."""

    def modality(self, name):
        return {"dots": Dots}[name]

    def bridge(self, name):
        return {"swap": Swap, "bridging-vae": BridgingVAE}[name]


def make(**settings):
    return Translator({"a": Dots(), "b": Dots()}, Swap(**settings))


@pytest.fixture(scope="module")
def trained():
    return make(steps=150).fit(table("a", "b"), progress=False, device="cpu")


def test_translation_keeps_the_class(trained):
    values, labels = dots(40, seed=5)
    made = torch.stack(trained.translate(list(values), "a", "b"))
    right = (made[:, :3].max(1).values < made[:, 3:].max(1).values).long() == labels
    assert right.float().mean() > 0.9  # chance 0.5


def test_a_translation_may_choose_among_items(trained):
    values, labels = dots(40, seed=5)
    there, classes = dots(30, seed=6)
    chosen = trained.translate(list(values), "a", "b", among=list(there))
    here, far = trained.embed(list(values), "a"), trained.embed(list(there), "b")
    best = torch.nn.functional.cosine_similarity(here[:, None], far[None], dim=2).argmax(1)
    assert torch.equal(torch.stack(chosen), there[best])
    assert (classes[best] == labels).float().mean() > 0.9  # chance 0.5
    with pytest.raises(DataError, match="no items of 'b' to choose from"):
        trained.translate(list(values), "a", "b", among=[])


def test_batching_changes_nothing(trained):
    values, _ = dots(300, seed=5)
    signal = Dots().collate(list(values))
    whole = trained.translate_signal(signal, "a", "b").values
    alone = trained.translate_signal(signal[257:258], "a", "b").values
    torch.testing.assert_close(whole[257:258], alone)


def test_sampling_embedding_interpolation(trained):
    made = trained.sample(5, seed=1)
    assert {k: len(v) for k, v in made.items()} == {"a": 5, "b": 5}
    assert torch.equal(made["a"][0], trained.sample(5, seed=1)["a"][0])
    values, _ = dots(3)
    assert trained.embed(list(values), "a").shape == (3, 4)
    way = trained.interpolate(values[0], values[1], "a", "b", steps=6)
    ends = trained.translate([values[0], values[1]], "a", "b")
    torch.testing.assert_close(way[0], ends[0])
    torch.testing.assert_close(way[-1], ends[1])
    assert len(way) == 6


def test_a_walk_through_the_prior_shows_all_domains_at_once(trained):
    made = trained.walk(5, seed=3)
    assert {domain: len(items) for domain, items in made.items()} == {"a": 5, "b": 5}
    torch.manual_seed(3)
    first, last = trained.bridge.prior(2).tokens
    for domain in "ab":
        for k, item in enumerate(made[domain]):
            angle = math.asin(math.sqrt(k / 4))  # sqrt(1 - p) and sqrt(p) are a cosine and a sine
            code = Code((math.cos(angle) * first + math.sin(angle) * last)[None])
            torch.testing.assert_close(item, trained.bridge.decode(code, domain).values[0].detach())
    assert torch.equal(trained.walk(5, ["b"], seed=3)["b"][2], made["b"][2])
    assert not torch.equal(trained.walk(5, seed=4)["a"][0], made["a"][0])


def test_a_walk_between_items_is_an_interpolation_into_every_domain(trained):
    values, _ = dots(2)
    made = trained.walk(4, ends=(values[0], values[1]), source="a")
    for domain in "ab":
        there = trained.interpolate(values[0], values[1], "a", domain, steps=4)
        assert torch.equal(torch.stack(made[domain]), torch.stack(there))


def test_a_walk_keeps_the_tokens_that_either_end_has():
    code = Code(torch.ones(2, 3, 1), torch.tensor([[True, False, False], [True, True, False]]))
    way = _between(code, 4)
    assert way.tokens.shape == (4, 3, 1)
    assert way.mask is not None and way.mask.tolist() == [[True, True, False]] * 4


def test_walking_and_the_random_state_of_others(trained):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    trained.walk(3, seed=1)
    assert torch.equal(torch.rand(1), expected)


def test_seeded_draws_leave_the_generators_of_other_devices_alone(trained, monkeypatch):
    touched = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", touched.append)
    before = torch.get_rng_state()
    trained.sample(2, seed=1)
    trained.walk(3, seed=1)
    make().connect(seed=4)
    list(joint_samples(trained, 3, ["a"]))
    assert touched == []
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(0)
    assert touched == [0]  # what would have told


@pytest.mark.parametrize("name", ["items", "keys", "forward", "train", "_modules"])
def test_a_domain_is_not_called_like_what_torch_needs(name):
    with pytest.raises(SettingError, match=f"cannot be called '{name}', .* call it '{name}_'"):
        Translator({"a": Dots(), name: Dots()}, Swap())


@pytest.mark.parametrize("name", ["a.b", "", "a b", "a/b", 3, None])
def test_a_domain_is_called_by_letters_and_digits(name):
    with pytest.raises(SettingError, match="a domain's name is letters, digits"):
        Translator({"a": Dots(), name: Dots()}, Swap())


def test_many_samples_are_made_in_slices_and_the_first_do_not_depend_on_how_many(
    trained, monkeypatch
):
    counts, real = [], trained.bridge.sample
    monkeypatch.setattr(
        trained.bridge, "sample", lambda n, names: (counts.append(n), real(n, names))[1]
    )
    made = trained.sample(600, seed=1)["b"]
    assert counts == [256, 256, 88] and len(made) == 600
    assert torch.equal(torch.stack(made[:256]), torch.stack(trained.sample(256, seed=1)["b"]))
    with pytest.raises(SettingError, match="n must be a whole number >= 1, not 0"):
        trained.sample(0)


class Searcher(Swap):
    """Reaches nothing whose first number is 1, and tells how far it has come."""

    searches = True

    def encode_telling(self, signal, domain, tick):
        for step in range(4):
            tick(step + 1, 4)
        require_reached(signal.values[:, 0], 0.99, domain)
        return self.encode(signal, domain)


def test_what_is_out_of_reach_is_named_by_its_place_in_the_callers_list():
    translator = Translator({"a": Dots(), "b": Dots()}, Searcher())
    translator.connect()
    items = torch.zeros(600, 6)
    assert len(translator.translate(list(items), "a", "b")) == 600
    items[300, 0] = items[511, 0] = 1.0
    with pytest.raises(
        ReachError, match=r"'a' does not reach 2 of 512 queries .*residuals\) 300 \(1\), 511 \(1\);"
    ) as caught:
        translator.translate(list(items), "a", "b")
    assert list(caught.value.missed) == [300, 511]


@pytest.mark.parametrize("told", [True, False])
def test_a_translation_shows_how_far_it_is_on_a_terminal(told, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # to rich, a terminal
    translator = Translator({"a": Dots(), "b": Dots()}, Searcher())
    translator.connect()
    made = []
    real = progress.bar

    @contextmanager
    def watched(*arguments):
        with real(*arguments) as show:
            yield lambda done: (made.append(done), show(done))

    monkeypatch.setattr("transmodal.core.joined.bar", watched)
    translator.translate(list(torch.zeros(400, 6)), "a", "b", progress=told)
    assert made == [64, 128, 192, 256, 256, 292, 328, 364, 400, 400]
    assert ("a -> b" in capsys.readouterr().err) is told
    monkeypatch.delenv("FORCE_COLOR")
    translator.translate(list(torch.zeros(3, 6)), "a", "b")
    assert capsys.readouterr().err == ""  # no terminal, no bar


class NoPrior(Swap):
    prior = Bridge.prior


def test_a_bridge_without_a_prior_only_translates():
    translator = Translator({"a": Dots(), "b": Dots()}, NoPrior())
    translator.connect()
    for draw in (translator.walk, lambda: translator.sample(2)):
        with pytest.raises(UnsupportedError, match="'swap' has no prior to sample from; it only"):
            draw()
    item = torch.zeros(6)
    assert len(translator.walk(3, ends=(item, item), source="a")["b"]) == 3


def test_the_same_seed_gives_the_same_weights_and_another_others():
    weights = [
        make(steps=3).fit(table("a", "b"), seed=s, progress=False).bridge.state_dict()
        for s in (0, 0, 1)
    ]
    key = "ends.a.net.0.weight"
    assert torch.equal(weights[0][key], weights[1][key])
    assert not torch.equal(weights[0][key], weights[2][key])


def test_other_settings_leave_the_weights_and_are_learned_under(trained, tmp_path):
    made = trained.with_settings(steps=3)
    assert trained.bridge.steps == 150 and made.bridge.settings() == {"width": 4, "steps": 3}
    assert made.classes == trained.classes and made.training == trained.training
    items = dots(5)[0]
    now, before = (one.translate(items, "a", "b") for one in (made, trained))
    assert all(map(torch.equal, now, before))
    kept = {name: weight.clone() for name, weight in trained.bridge.state_dict().items()}
    made.fit(table("a", "b"), progress=False, device="cpu")
    assert made.training["steps"] == {"swap": 3}
    trained.save(tmp_path / "trained")
    begun = json.loads((tmp_path / "trained" / "config.json").read_text())["sha256"]
    assert made.training["begun_from"] == begun
    for name, weight in trained.bridge.state_dict().items():
        assert torch.equal(weight, kept[name])
        assert not torch.equal(weight, made.bridge.state_dict()[name])
    made.save(tmp_path / "made")
    assert Translator.load(tmp_path / "made", Shelf()).bridge.steps == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"width": 5},
            r"swap: under these settings \(width\) and domains it has other parts.*: ends\.a",
        ),
        ({"depth": 1}, "swap: Swap has no setting 'depth'; it has width, steps"),
        ({"width": 0}, "swap: width must be a whole number >= 1"),
    ],
)
def test_settings_that_these_weights_do_not_fit_are_refused(trained, changes, message):
    with pytest.raises(SettingError, match=message):
        trained.with_settings(**changes)
    with pytest.raises(SettingError, match="has no weights yet"):
        make().with_settings(**changes)


def test_a_saved_translator_is_the_same(trained, tmp_path):
    trained.save(tmp_path)
    loaded = Translator.load(tmp_path, Shelf())
    values, _ = dots(4)
    for x, y in zip(
        trained.translate(list(values), "a", "b"),
        loaded.translate(list(values), "a", "b"),
        strict=True,
    ):
        assert torch.equal(x, y)
    assert repr(loaded) == repr(trained)
    assert loaded.classes == trained.classes


def test_domains_that_share_a_modality_object_share_it_again(tmp_path):
    one = Dots()
    translator = Translator({"a": one, "b": one, "c": Dots()}, Swap(steps=1))
    translator.connect(("0", "1"))
    translator.save(tmp_path)
    loaded = Translator.load(tmp_path, Shelf()).domains
    assert loaded["a"] is loaded["b"]
    assert loaded["a"] is not loaded["c"]


def test_damaged_folders_are_named(trained, tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no translator: no config\.json"):
        Translator.load(tmp_path, Shelf())
    trained.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())

    def write(**change):
        (tmp_path / "config.json").write_text(json.dumps({**config, **change}))

    write(format=99)
    with pytest.raises(CheckpointError, match="no translator of format 1 but 99"):
        Translator.load(tmp_path, Shelf())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Translator.load(tmp_path, Shelf())
    write(domains=None)
    with pytest.raises(CheckpointError, match="lacks or garbles a field"):
        Translator.load(tmp_path, Shelf())
    write(bridge={"name": "swap", "settings": {"colour": 1}})
    with pytest.raises(SettingError, match="Swap has no setting 'colour'; it has width, steps"):
        Translator.load(tmp_path, Shelf())
    dots = config["modalities"][0]
    for change, error, message in (
        ({"classes": 5}, CheckpointError, "garbles a field: TypeError.*; restore the folder or"),
        ({"modalities": [{**dots, "settings": {"size": 0}}]}, SettingError, "size must be"),
        ({"domains": {}}, SettingError, "needs domains"),
    ):
        write(**change)
        with pytest.raises(error, match=rf"{message}.*|config\.json.*{message}") as caught:
            Translator.load(tmp_path, Shelf())
        assert str(tmp_path / "config.json") in str(caught.value)
    write(bridge={"name": "swap", "settings": {"width": 5, "steps": 1}})
    with pytest.raises(CheckpointError, match="does not fit the settings"):
        Translator.load(tmp_path, Shelf())
    write()
    data = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[:-7])
    with pytest.raises(CheckpointError, match=r"is not what config\.json says"):
        Translator.load(tmp_path, Shelf())
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read"):
        Translator.load(tmp_path, Shelf())


def test_weights_and_their_card_are_written_together(trained, tmp_path):
    card = Card("one", {}, {})
    trained.save(tmp_path, card)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    other = make(steps=3)
    other.connect(("0", "1"), seed=9)
    (tmp_path / f".README.md.{os.getpid()}.part").mkdir()  # as a full disk, it refuses one file
    with pytest.raises(CheckpointError, match=r"cannot write .*README\.md: .* is unchanged"):
        other.save(tmp_path, replace(card, title="two"))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


def test_a_folder_that_cannot_be_written(trained, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot save the translator"):
        trained.save(tmp_path / "file" / "x")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t.translate([], "a", "z"), DataError, "no items"),
        (lambda t: t.translate([torch.zeros(6)], "a", "z"), UnknownNameError, "joins a, b"),
        (lambda t: t.translate([torch.zeros(6)], "z", "a"), UnknownNameError, "no domain 'z'"),
        (lambda t: t.sample(1, ["z"]), UnknownNameError, "no domain 'z'"),
        (lambda t: t.walk(3, ["z"]), UnknownNameError, "no domain 'z'"),
        (lambda t: t.walk(3, "ab"), DataError, "domains come in a list"),
        (
            lambda t: t.walk(3, ends=[torch.zeros(6)] * 3, source="a"),
            DataError,
            "ends are two items.*not 3",
        ),
        (lambda t: t.translate(None, "a", "b"), DataError, "items of 'a' come in a list"),
        (lambda t: t.walk(1), SettingError, "walk: steps must be a whole number >= 2, not 1"),
        (lambda t: t.walk(source="a"), SettingError, "ends and source go together, not ends=None"),
        (lambda t: t.walk(ends=(0, 0)), SettingError, "ends and source go together"),
        (lambda t: t.connect(), SettingError, "connected already"),
        (lambda t: t.bridge.style(None, "a"), Exception, "has no styles"),
    ],
)
def test_wrong_calls(trained, call, error, message):
    with pytest.raises(error, match=message):
        call(trained)


def test_wrong_constructions(trained):
    with pytest.raises(SettingError, match="needs domains"):
        Translator({}, Swap())
    with pytest.raises(SettingError, match="a domain's name"):
        Translator({"a/b": Dots()}, Swap())
    with pytest.raises(SettingError, match="needs a Modality"):
        Translator({"a": Dots}, Swap())  # type: ignore[dict-item]
    with pytest.raises(SettingError, match="needs a Bridge object"):
        Translator({"a": Dots()}, Swap)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="joins other domains already"):
        Translator({"a": Dots()}, trained.bridge)
    with pytest.raises(SettingError, match="no weights yet"):
        make().translate([torch.zeros(6)], "a", "b")


def test_what_a_bridge_needs_is_checked_before_training():
    class Needy(Swap):
        needs = Needs(labels=True, pairs=True, advice="Label a few.")

    values, labels = dots(6)
    unlabelled = Records.from_arrays({"a": list(values), "b": list(values)})
    with pytest.raises(DataError, match="needs labels, and no item of 'a' has one. Label a few"):
        Translator({"a": Dots(), "b": Dots()}, Needy()).fit(unlabelled, progress=False)
    unpaired = Records.from_arrays(
        {"a": list(values), "b": list(values)}, {"a": labels, "b": labels}
    )
    with pytest.raises(DataError, match="needs pairs"):
        Translator({"a": Dots(), "b": Dots()}, Needy()).fit(unpaired, progress=False)


def test_a_signal_stops_the_training_and_the_same_call_goes_on(tmp_path):
    def stop(event):
        if isinstance(event, Progress) and event.step == 20:
            os.kill(os.getpid(), signal.SIGINT)

    settings = {"progress": False, "device": "cpu", "checkpoint": tmp_path, "log_every": 10}
    with pytest.raises(TrainingError, match="SIGINT stopped the training in stage 'swap'"):
        make(steps=60).fit(table("a", "b"), watch=stop, **settings)
    resumed = make(steps=60).fit(table("a", "b"), **settings).bridge.state_dict()
    whole = make(steps=60).fit(table("a", "b"), progress=False, device="cpu").bridge.state_dict()
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def test_a_checkpoint_of_other_settings_or_other_data_is_refused(tmp_path):
    settings = {"progress": False, "device": "cpu", "checkpoint": tmp_path}
    make(steps=3).fit(table("a", "b"), **settings)
    with pytest.raises(CheckpointError, match="another training: bridge is"):
        make(steps=3, width=5).fit(table("a", "b"), **settings)
    other = table("a", "b")
    other.columns["a"].signal.values.mul_(0.5)
    with pytest.raises(CheckpointError, match=r"another training: a\.sample is"):
        make(steps=3).fit(other, **settings)


def test_a_save_that_fails_leaves_the_earlier_translator(trained, tmp_path, monkeypatch):
    trained.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    real, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="cannot save the translator.*No space left"):
        make().fit(table("a", "b"), progress=False).save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_evaluation_without_classes_says_so():
    translator = make()
    translator.connect()
    held = table("a", "b")  # no record of which shall hold both
    later = replace(held.column("b"), rows=held.column("b").rows + 100)
    with pytest.raises(DataError, match="knows no classes"):
        translator.evaluate(Table({**held.columns, "b": later}), judges={})


def test_evaluation_needs_labels_and_judges(trained, tmp_path):
    trained.save(tmp_path)
    loaded = Translator.load(tmp_path, Shelf())
    with pytest.raises(DataError, match="labelled real data to train its judges on"):
        loaded.evaluate(table("a", "b"))


# -- the bridging VAE through the same face ------------------------------------------


def small(**settings):
    given = {"latent": 4, "width": 3, "hidden": 32, "depth": 2, "batch": 24, "steps": 900,
             "lr": 3e-3, "kl": 0.01, "latent_steps": 400, "reader_steps": 150,
             "class_weight": 30.0, "reading": 10.0, "projections": 16}  # fmt: skip
    return BridgingVAE(**{**given, **settings})


@pytest.mark.parametrize(
    "settings", [{}, {"gans": ["b"], "latent_steps": 1500}, {"balanced": False}]
)
def test_bridging_three_domains_beats_chance(settings):
    domains = {"a": Dots(), "b": Dots(), "c": Dots()}
    translator = Translator(domains, small(**settings))
    translator.bridge.make_model = _small_pool(translator.bridge.make_model)
    translator.fit(table("a", "b", "c", n=120), progress=False, device="cpu")
    values, labels = dots(60, seed=9)
    for target in "bc":
        made = torch.stack(translator.translate(list(values), "a", target))
        right = (made[:, :3].max(1).values < made[:, 3:].max(1).values).long() == labels
        assert right.float().mean() > 0.8  # chance 0.5


def _small_pool(make):
    def smaller(*arguments):
        model = make(*arguments)
        if not isinstance(model, VAE):
            model.keep, model.pool, model.lr, model.batch = 50, 150, 2e-3, 32
        return model

    return smaller


def test_pseudo_labels_serve_where_few_items_have_one():
    translator = Translator({"a": Dots(), "b": Dots()}, small(pseudo_labels=True))
    full = table("a", "b", n=120)
    few = {
        d: Memory(c.signal, torch.where(torch.arange(120) < 6, c.labels, UNLABELLED))
        for d, c in full.columns.items()
    }
    translator.fit(Table(few, full.classes), progress=False, device="cpu")
    values, labels = dots(60, seed=9)
    made = torch.stack(translator.translate(list(values), "a", "b"))
    right = (made[:, :3].max(1).values < made[:, 3:].max(1).values).long() == labels
    assert right.float().mean() > 0.8


def test_an_adopted_model_is_not_trained_again():
    bridge = small(steps=5)
    translator = Translator({"a": Dots(), "b": Dots()}, bridge)
    translator.connect(("0", "1"))
    model = bridge.make_model("a", Dots(), 2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    bridge.adopt("a", model)
    assert "latent/a" not in [stage.name for stage in bridge.stages()]
    translator.fit(table("a", "b"), progress=False, device="cpu")
    for key, value in bridge.model("a").state_dict().items():
        assert torch.equal(value, before[key])
    with pytest.raises(SettingError, match="latent=4; the model to adopt for 'b' has 7"):
        bridge.adopt("b", VAE(Dots(), 7))
    with pytest.raises(SettingError, match=r"made otherwise than these settings .*head\.bias"):
        bridge.adopt("b", VAE(Dots(), 4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width must be a whole number >= 1"),
        ({"kl": -1}, "kl must be a number >= 0"),
        ({"lr": float("nan")}, "lr must be a number >= 0, not nan"),
        ({"batch": 2.5}, "batch must be a whole number"),
        ({"copies": -1}, "copies must be"),
    ],
)
def test_bridging_settings_are_checked(settings, message):
    with pytest.raises(SettingError, match=message):
        BridgingVAE(**settings)


def test_bridging_needs_two_domains_and_known_gans():
    with pytest.raises(SettingError, match="joins two or more domains, not 1"):
        Translator({"a": Dots()}, small()).connect()
    with pytest.raises(SettingError, match="gans names 'z'"):
        Translator({"a": Dots(), "b": Dots()}, small(gans=["z"])).connect()


@pytest.mark.parametrize("which", ["images", "speech"])
def test_published_settings_are_accepted_and_have_no_additions(which):
    bridge = BridgingVAE(**BridgingVAE.published[which])
    Translator({"a": Dots(), "b": Dots()}, bridge).connect(("0", "1"))
    assert not bridge.classifier.weight.requires_grad
    assert not len(bridge.readers)
    assert bridge.model("a").head is None


class Namer(Swap):
    """Names the class by the larger half of what it sees."""

    def classify(self, signal, domain):
        self.check_domain(domain)
        half = signal.values.shape[1] // 2
        return torch.stack([signal.values[:, :half].sum(1), signal.values[:, half:].sum(1)], 1)


def test_classes_are_named_by_the_bridge_that_can():
    items, labels = dots(6)
    translator = Translator({"a": Dots(), "b": Dots()}, Namer())
    translator.connect(["left", "right"])
    assert translator.classify(items, "a") == [["left", "right"][k] for k in labels]
    with pytest.raises(UnsupportedError, match="the bridge 'swap' has no classifier"):
        make().fit(table("a", "b"), progress=False).classify(items, "a")


@pytest.mark.parametrize("progress", [False, True])
def test_a_training_that_is_left_leaves_all_in_order(progress):
    class Left(Exception):
        pass

    def leave(event):
        if isinstance(event, Progress):
            raise Left

    handler = signal.getsignal(signal.SIGINT)
    translator = make(steps=20)
    with pytest.raises(Left) as kept:
        translator.fit(table("a", "b"), progress=progress, device="cpu", log_every=5, watch=leave)
    assert kept.tb is not None  # which holds the frames
    assert not any(module.training for module in translator.bridge.modules())
    assert all(parameter.requires_grad for parameter in translator.bridge.parameters())
    assert signal.getsignal(signal.SIGINT) is handler
    translator.fit(table("a", "b"), progress=False, device="cpu")


def test_a_call_that_was_refused_settles_nothing(tmp_path):
    class Wanting(Swap):
        needs = Needs(labels=True, advice="Label a few.")

        def build(self):
            super().build()
            if self.classes > 2:
                raise SettingError("too many classes")

    values, labels = list(dots(6)[0]), list(dots(6)[1])
    both = {"a": values, "b": values}
    known = Records.from_arrays(both, {"a": labels, "b": labels})
    many = Records.from_arrays(both, {"a": list("012345"), "b": list("012345")})
    translator = Translator({"a": Dots(), "b": Dots()}, Wanting(steps=2))
    refused = [
        (known, {"precision": "fp8"}, SettingError),
        (Records.from_arrays(both), {}, DataError),
        (many, {}, SettingError),
    ]
    for records, settings, error in refused:
        with pytest.raises(error):
            translator.fit(records, seed=1, progress=False, **settings)
        assert not translator.connected and not list(translator.bridge.parameters())
    again = translator.fit(known, seed=2, progress=False, device="cpu")
    fresh = Translator({"a": Dots(), "b": Dots()}, Wanting(steps=2))
    checkpoint = {"progress": False, "device": "cpu", "checkpoint": tmp_path}
    fresh.fit(known, **checkpoint)
    other = Translator({"a": Dots(), "b": Dots()}, Wanting(steps=3))
    with pytest.raises(CheckpointError, match="another training"):
        other.fit(known, **checkpoint)
    assert not other.connected and other.classes == ()
    fresh = Translator({"a": Dots(), "b": Dots()}, Wanting(steps=2))
    fresh.fit(known, seed=2, progress=False, device="cpu")
    weights = fresh.bridge.state_dict()
    assert all(torch.equal(again.bridge.state_dict()[key], weights[key]) for key in weights)


def test_a_table_of_other_classes_is_refused(trained):
    there = table("a", "b")
    other = replace(there, classes=tuple(reversed(there.classes)))
    with pytest.raises(DataError, match="the table counts the classes 1, 0, this translator 0, 1"):
        trained.evaluate(other)
    with pytest.raises(DataError, match="the table counts the classes"):
        make().fit(there, progress=False).fit(other, progress=False)
    with pytest.raises(DataError, match="data are Records .* or a Table, not a str"):
        make().fit("train.csv")


def test_a_readme_that_is_no_cards_stays(trained, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    trained.save(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_modality_without_a_name_is_refused_at_once():
    class Nameless(Dots):
        name = None

    with pytest.raises(SettingError, match="Nameless, of the domain 'a', has no `name`"):
        Translator({"a": Nameless()}, Swap())


def test_domains_changed_since_they_were_joined_are_not_saved_over_a_good_translator(tmp_path):
    translator = Translator({"a": Dots(), "b": Dots()}, Swap())
    translator.connect(("0", "1"))
    translator.save(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    translator.domains["c"] = Dots()
    with pytest.raises(SettingError, match="joins a, b, and the .* were changed to a, b, c"):
        translator.save(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    del translator.domains["c"]
    translator.save(tmp_path)


@pytest.mark.parametrize("name", ["bridging-vae", "weight-tying", "synchronizer"])
def test_another_default_type_changes_nothing_in_use(name):
    translator = Translator({"a": Dots(), "b": Dots()}, Registry.load().bridge(name)())
    translator.connect()
    asked = (
        lambda: translator.translate([torch.ones(6, dtype=torch.float32)], "a", "b"),
        lambda: translator.sample(2, ["b"])["b"],
        lambda: translator.walk(3, ["b"])["b"],
    )
    before = [ask() for ask in asked]
    torch.set_default_dtype(torch.float64)
    try:
        for ask, made in zip(asked, before, strict=True):
            torch.testing.assert_close(ask(), made, rtol=0, atol=0)
    finally:
        torch.set_default_dtype(torch.float32)
