"""Settings of a wrong kind are refused where they are given, and named."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import pytest

from transmodal.core.bridges.bridging_vae import BridgingVAE
from transmodal.core.bridges.common_space import CommonSpace
from transmodal.core.bridges.synchronizer import Synchronizer
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.bridges.weight_tying import WeightTying
from transmodal.core.errors import SettingError
from transmodal.core.kernel.settings import Training
from transmodal.core.latents.searches import SEARCHES
from transmodal.core.stage import Schedule
from transmodal.plugins.audio.modality import Audio
from transmodal.plugins.features.modality import Features
from transmodal.plugins.image.modality import Image
from transmodal.plugins.speech.modality import Speech
from transmodal.plugins.text.modality import Text

BRIDGES: list[Any] = [BridgingVAE, CommonSpace, Synchronizer, UniversalAttention, WeightTying]
OTHERS: list[Any] = [Audio, Features, Image, Speech, Text, Training]
TOML: list[Any] = [3, 2.5, True, "", "x", [], [1], ["x"], [[1]], {}, {"x": 1}]


def settings_of(owner: Any) -> dict[str, str]:
    """Names and annotations."""
    parameters = inspect.signature(owner).parameters
    return {name: str(parameter.annotation) for name, parameter in parameters.items()}


FLAGS = [
    (owner, name)
    for owner in [*BRIDGES, *OTHERS]
    for name, kind in settings_of(owner).items()
    if kind == "bool"
]


def test_flags_are_found() -> None:
    assert (WeightTying, "spectral_norm") in FLAGS and (Training, "tf32") in FLAGS
    assert len(FLAGS) >= 20


@pytest.mark.parametrize(("owner", "name"), FLAGS)
def test_a_flag_is_true_or_false(owner: Any, name: str) -> None:
    for value in (True, False):
        assert getattr(owner(**{name: value}), name) is value
    for wrong in ("no", 1, None, []):
        with pytest.raises(SettingError) as told:
            owner(**{name: wrong})
        assert str(told.value).endswith(f": {name} must be True or False, not {wrong!r}")


@pytest.mark.parametrize("bridge", BRIDGES)
def test_a_schedule_is_one_of_adams(bridge: Any) -> None:
    for schedule in get_args(Schedule):
        assert bridge(schedule=schedule).schedule == schedule
    listed = "must be one of 'constant', 'cosine', 'late', not 'later'"
    with pytest.raises(SettingError, match=f"{bridge.name}: schedule {listed}"):
        bridge(schedule="later")


@pytest.mark.parametrize(
    ("bridge", "settings", "says"),
    [
        (BridgingVAE, {"gans": "a"}, "bridging-vae: gans must be a list of names, not 'a'"),
        (BridgingVAE, {"gans": [1]}, r"gans must be a list of names, not \[1\]"),
        (UniversalAttention, {"styled": "a"}, "attention: styled must be a list of names, not 'a'"),
        (UniversalAttention, {"styled": 3}, "styled must be a list of names, not 3"),
        (
            UniversalAttention,
            {"tasks": 3},
            r"tasks must be a list of pairs \(source, target\), not 3",
        ),
        (UniversalAttention, {"tasks": [3]}, r"a task is a pair \(source, target\) .*, not 3"),
        (UniversalAttention, {"ema": ""}, "ema must be a number >= 0 <= 1, not ''"),
        (UniversalAttention, {"clip": []}, r"clip must be a number >= 0, not \[\]"),
        (Synchronizer, {"inversion": 3}, "synchronizer: inversion is the name of a .*, not 3"),
        (WeightTying, {"inversion": "adam"}, "inversion is the name of a search .*, not 'adam'"),
        (WeightTying, {"inversion": {"name": "adam", "betas": 3}}, "betas must be two numbers"),
        (WeightTying, {"ema": False}, "ema must be a number >= 0 <= 1, not False"),
    ],
)
def test_a_setting_of_another_type_is_named(
    bridge: Any, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(SettingError, match=says):
        bridge(**settings)


@pytest.mark.parametrize("owner", [*BRIDGES, *OTHERS, *SEARCHES.values()])
def test_whatever_toml_holds_is_taken_or_refused_by_name(owner: Any) -> None:
    for name in settings_of(owner):
        for value in TOML:
            try:
                owner(**{name: value})
            except SettingError as refusal:
                assert name.rstrip("s") in str(refusal)  # "a task is a pair"
