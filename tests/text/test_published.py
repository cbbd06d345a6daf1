"""The published settings of modalities, under the published settings of their bridge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from games import play
from kernel_toys import same

from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.modality import Modality
from transmodal.core.sequences.attention import Additive
from transmodal.core.table import Memory, Table
from transmodal.plugins.image.modality import Image
from transmodal.plugins.speech.modality import Speech
from transmodal.plugins.text.modality import Text

TEXTS = ["hello", "a", "b c", "x y"]


def image() -> Image:
    """As published, but of 16 pixels."""
    return Image(**{**Image.published["m3d-gan"], "size": 16})


def text() -> Text:
    return Text.learned(TEXTS, **Text.published["m3d-gan"])


def speech() -> Speech:
    return Speech(seconds=0.2, **Speech.published["m3d-gan"])


def items(modality: Modality) -> list[Any]:
    torch.manual_seed(0)
    if isinstance(modality, Image):
        return list(torch.rand(4, 3, 16, 16))
    if isinstance(modality, Text):
        return TEXTS
    return [0.5 * torch.sin(0.3 * torch.arange(n)) for n in (2500, 2900, 3400, 3900)]


@pytest.mark.parametrize(
    ("name", "domains"),
    [("image", {"a": image(), "b": image()}), ("sequence", {"a": text(), "b": speech()})],
)
def test_the_published_settings_play_a_step(name: str, domains: Mapping[str, Modality]) -> None:
    settings = {**UniversalAttention.published[name], "steps": 1, "batch": 2}
    bridge = UniversalAttention(tasks=[("a", "b")], **settings)
    torch.manual_seed(0)
    bridge.connect(dict(domains), 2)
    labels = torch.arange(4) % 2
    columns = {d: Memory(m.collate(items(m)), labels) for d, m in domains.items()}
    start = {k: v.clone() for k, v in bridge.state_dict().items()}
    events = play(bridge, Table(columns, ("0", "1")))
    losses = [loss for event in events for loss in event.losses.values()]
    assert losses and all(map(math.isfinite, losses))
    assert not same(start, bridge.state_dict())
    made = bridge.decode(bridge.encode(columns["a"].signal, "a"), "b")
    assert made.values.isfinite().all()


def test_text_has_the_paper_s_sizes() -> None:
    """M3D-GAN, section 4."""
    prenet, writer = text().prenet(8), text().generator(8, condition=4)
    assert prenet.table.shape[1] == 128
    layers = [m for m in prenet.layers_in if isinstance(m, torch.nn.Linear)]
    assert [m.out_features for m in layers] == [256, 128]
    assert [m.conv.out_channels for m in prenet.cbhg.bank] == [128] * 16
    assert [m.conv.kernel_size for m in prenet.cbhg.bank] == [(k,) for k in range(1, 17)]
    assert len(prenet.cbhg.highway) == 4
    assert prenet.cbhg.ahead.hidden == prenet.cbhg.back.hidden == 128
    assert writer.body.hidden == writer.body.last.hidden == 256
    assert isinstance(writer.body.attend, Additive)


def test_speech_has_the_paper_s_sizes() -> None:
    """M3D-GAN, section 4, and what Tacotron says of frames."""
    modality = speech()
    maps = modality.prenet(8).maps
    assert [conv.out_channels for conv in maps.convs] == [32, 32]
    writer = modality.generator(8).decoder
    assert writer.body.hidden == writer.body.last.hidden == 256
    assert (writer.frame, writer.reduction) == (80, 5)
    assert isinstance(writer.body.attend, Additive)
    assert (modality.n_fft, modality.hop) == (0.05 * 20_000, 0.0125 * 20_000)


def test_images_have_the_paper_s_blocks() -> None:
    """M3D-GAN, section 4: six and six, in RGB; a critic of BicycleGAN's width."""
    writer = image().generator(8)
    assert len(writer.outer) + len(writer.inner) + len(writer.last) == 6 + 6
    assert writer(image().prenet(8)(image().collate(items(image())))).values.shape[1] == 3
    assert {"size": 256, "patches": 70, "critic": 64}.items() <= Image.published["m3d-gan"].items()
