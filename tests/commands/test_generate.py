"""Samples and walks on the command line, with toys and with real pictures and sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from PIL import Image as Pillow
from PIL import ImageSequence

from transmodal.core.bridge import Bridge
from transmodal.core.evaluation.pictures import grid, png
from transmodal.core.modality import Modality
from transmodal.core.translator import Translator
from transmodal.plugins.image.modality import Image
from transmodal.plugins.speech.modality import Speech
from transmodal.registry import Registry, hookimpl
from transmodal.registry import commands as built_in
from transmodal.registry.commands.cli import cli

from toys import Dots, Swap, dots


class NoPrior(Swap):
    name = "no-prior"
    prior = Bridge.prior


class Plugin:
    @hookimpl
    def register_modalities(self) -> dict[str, Any]:
        return {"dots": Dots, "image": Image, "speech": Speech}

    @hookimpl
    def register_bridges(self) -> dict[str, Any]:
        return {"swap": Swap, "no-prior": NoPrior}


REGISTRY = Registry()
REGISTRY.register(built_in, "commands", "transmodal", "0.1.0")
REGISTRY.register(Plugin(), "plugin", "acme", "1")


def save(folder: Path, domains: dict[str, Modality], bridge: Bridge) -> Path:
    translator = Translator(domains, bridge)
    translator.connect(("0", "1"), seed=3)
    return translator.save(folder)


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    return save(tmp_path / "toys", {"a": Dots(), "b": Dots()}, Swap())


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    domains: dict[str, Modality] = {
        "digits": Image(size=8),
        "garments": Image(size=8),
        "spoken": Speech(sample_rate=4000, seconds=0.3, mels=12),
    }
    return save(tmp_path_factory.mktemp("real") / "saved", domains, Swap())


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(cli, [str(a) for a in arguments], obj=REGISTRY)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_grid_of_samples_has_a_row_per_domain(toys: Path, tmp_path: Path) -> None:
    output = run("sample", toys, tmp_path / "out", "-n", 3, "--grid", tmp_path / "new" / "all.png")
    assert "rows a, b in" in output
    made = Translator.load(toys, REGISTRY).sample(3)
    previews = [Dots().preview(item) for name in ("a", "b") for item in made[name]]
    assert (tmp_path / "new" / "all.png").read_bytes() == png(grid(previews, 3))


def test_a_walk_goes_into_a_folder_per_domain(toys: Path, tmp_path: Path) -> None:
    output = run("interpolate", toys, tmp_path / "out", "--steps", 3, "--seed", 5)
    assert f"3 steps in {tmp_path / 'out' / 'b'}" in output
    assert names(tmp_path / "out") == [f"{d}/00{k}.json" for d in "ab" for k in range(3)]
    walked = Translator.load(toys, REGISTRY).walk(3, seed=5)
    found = Dots().read(tmp_path / "out" / "b" / "001.json")
    torch.testing.assert_close(found, walked["b"][1])
    run("interpolate", toys, tmp_path / "one", "--steps", 3, "--target", "b")
    assert names(tmp_path / "one") == ["000.json", "001.json", "002.json"]


def test_a_grid_between_two_files_shows_source_and_target(toys: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{k}.json" for k in range(2)]
    for file, item in zip(files, dots(2)[0], strict=True):
        Dots().write(item, file)
    arguments = ("--source", "a", "--steps", 4, "--grid", tmp_path / "way.png")
    output = run("interpolate", toys, *files, tmp_path / "way", *arguments)
    assert "rows a, b in" in output
    assert names(tmp_path / "way") == [f"00{k}.json" for k in range(4)]
    translator = Translator.load(toys, REGISTRY)
    rows = [translator.interpolate(*files, "a", name, 4) for name in "ab"]
    previews = [Dots().preview(item) for row in rows for item in row]
    assert (tmp_path / "way.png").read_bytes() == png(grid(previews, 4))


def test_a_walk_as_an_animation_of_all_domains(real: Path, tmp_path: Path) -> None:
    run("interpolate", real, tmp_path / "walk.gif", "--steps", 5, "--seed", 1)
    walked = Translator.load(real, REGISTRY).walk(5, seed=1)
    with Pillow.open(tmp_path / "walk.gif") as image:
        assert image.info["loop"] == 0
        frames = [np.asarray(f.convert("RGB")).copy() for f in ImageSequence.Iterator(image)]
    assert len(frames) == 5
    assert len({frame.shape for frame in frames}) == 1
    for frame, item in zip(frames, walked["digits"], strict=True):
        shown = (item[0] * 255).round().to(torch.uint8).numpy()
        factor = frame.shape[0] // 8  # whole, as small pictures are enlarged
        side = 8 * factor
        top, left = (frame.shape[0] - side) // 2, (frame.shape[1] // 3 - side) // 2
        cell = frame[top : top + side : factor, left : left + side : factor, 0]
        assert np.abs(cell.astype(int) - shown).mean() < 4  # 256 colours serve all the domains


def test_a_walk_as_one_sound(real: Path, tmp_path: Path) -> None:
    run("interpolate", real, tmp_path / "walk.wav", "--steps", 4, "--seed", 2)
    found, rate = soundfile.read(tmp_path / "walk.wav")
    waves = Translator.load(real, REGISTRY).walk(4, ["spoken"], seed=2)["spoken"]
    assert rate == 4000
    assert len(found) == sum(len(wave) for wave in waves) + 3 * 600  # gaps of 0.15 s
    assert np.abs(found[: len(waves[0])] - waves[0].numpy()).max() < 1e-3


def test_between_pictures_as_a_sound_and_as_an_animation(real: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{k}.png" for k in range(2)]
    for k, file in enumerate(files):
        Image(size=8).write(torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(k)), file)
    common = ("--source", "digits", "--steps", 3)
    run("interpolate", real, *files, tmp_path / "way.wav", *common)
    assert soundfile.info(tmp_path / "way.wav").frames > 2 * 600
    run("interpolate", real, *files, tmp_path / "way.gif", "--target", "garments", *common)
    with Pillow.open(tmp_path / "way.gif") as image:
        assert (image.n_frames, image.size) == (3, (8 + 4, 8 + 4))  # of the target alone


def test_wrong_calls_are_told(toys: Path, real: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "the steps go into a folder, a .gif or a .wav, not a .mp4" in run(
        "interpolate", toys, tmp_path / "way.mp4", code=2
    )
    assert "give both FIRST and LAST, or neither" in run(
        "interpolate", toys, tmp_path / "a.json", out, code=2
    )
    assert "--source is the domain of FIRST and LAST" in run(
        "interpolate", toys, out, "--source", "a", code=2
    )
    assert "no domain may be the target for '.wav'; say --target NAME" in run(
        "interpolate", toys, tmp_path / "way.wav", code=2
    )
    assert "a sound was asked of 'digits', and its modality 'image' has none" in run(
        "interpolate", real, tmp_path / "way.wav", "--target", "digits", code=2
    )
    assert "no domain 'z'" in run("interpolate", toys, out, "--target", "z", code=2)
    for command in ("sample", "interpolate"):
        assert "--grid is a picture and its name ends in .png" in run(
            command, toys, out, "--grid", tmp_path / "all.jpg", code=2
        )
    assert not out.exists()
    assert not list(tmp_path.glob("way.*"))


def test_a_bridge_without_a_prior_is_told(tmp_path: Path) -> None:
    saved = save(tmp_path / "saved", {"a": Dots(), "b": Dots()}, NoPrior())
    for command in ("sample", "interpolate"):
        assert "the bridge 'no-prior' has no prior to sample from; it only translates" in run(
            command, saved, tmp_path / "out", code=2
        )
