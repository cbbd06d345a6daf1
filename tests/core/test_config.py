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
from transmodal.core.stage import Schedule
from transmodal.plugins.audio.modality import Audio
from transmodal.plugins.features.modality import Features
from transmodal.plugins.image.modality import Image
from transmodal.plugins.speech.modality import Speech
from transmodal.plugins.text.modality import Text

BRIDGES: list[Any] = [BridgingVAE, CommonSpace, Synchronizer, UniversalAttention, WeightTying]
OTHERS: list[Any] = [Audio, Features, Image, Speech, Text, Training]


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
