"""Samples and walks on the command line, with toys and with real pictures and sounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from calls import Plugin, done, refused, save
from PIL import Image as Pillow
from PIL import ImageSequence

from transmodal.core.bridge import Bridge
from transmodal.core.code import Code
from transmodal.core.errors import UnsupportedError
from transmodal.core.evaluation.pictures import grid, png
from transmodal.core.modality import Modality
from transmodal.core.signal import Signal
from transmodal.core.translator import Translator
from transmodal.plugins.image.modality import Image
from transmodal.plugins.speech.modality import Speech
from transmodal.registry import Registry

from toys import Dots, Swap


class NoPrior(Swap):
    name = "no-prior"
    prior = Bridge.prior


class OneWay(Swap):
    """It reads ``a`` alone, and makes ``b`` alone."""

    name = "one-way"

    def directions(self) -> Sequence[tuple[str, str]]:
        return [("a", "b")]

    def decode(self, code: Code, domain: str, style: Code | None = None) -> Signal:
        if domain != "b":
            raise UnsupportedError(f"makes no {domain!r}")
        return super().decode(code, domain, style)


@pytest.fixture
def registry(registry: Registry) -> Registry:
    more = Plugin({"image": Image, "speech": Speech}, {"no-prior": NoPrior, "one-way": OneWay})
    registry.register(more, "more", "acme", "1")
    return registry


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    domains: dict[str, Modality] = {
        "digits": Image(size=8),
        "garments": Image(size=8),
        "spoken": Speech(sample_rate=4000, seconds=0.3, mels=12),
    }
    return save(tmp_path_factory.mktemp("real") / "saved", Swap(), domains, seed=3)


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_grid_of_samples_has_a_row_per_domain(
    registry: Registry, saved: Path, tmp_path: Path
) -> None:
    output = done(
        registry, "sample", saved, tmp_path / "out", "-n", 3, "--grid", tmp_path / "new" / "all.png"
    )
    assert "rows a, b in" in output
    made = Translator.load(saved, registry).sample(3)
    previews = [Dots().preview(item) for name in ("a", "b") for item in made[name]]
    assert (tmp_path / "new" / "all.png").read_bytes() == png(grid(previews, 3))


def test_a_walk_goes_into_a_folder_per_domain(
    registry: Registry, saved: Path, tmp_path: Path
) -> None:
    output = done(registry, "interpolate", saved, tmp_path / "out", "--steps", 3, "--seed", 5)
    assert f"3 steps in {tmp_path / 'out' / 'b'}" in output
    assert names(tmp_path / "out") == [f"{d}/00{k}.json" for d in "ab" for k in range(3)]
    walked = Translator.load(saved, registry).walk(3, seed=5)
    found = Dots().read(tmp_path / "out" / "b" / "001.json")
    torch.testing.assert_close(found, walked["b"][1])
    done(registry, "interpolate", saved, tmp_path / "one", "--steps", 3, "--target", "b")
    assert names(tmp_path / "one") == ["000.json", "001.json", "002.json"]


def test_a_grid_between_two_files_shows_source_and_target(
    registry: Registry, saved: Path, items: list[Path], tmp_path: Path
) -> None:
    files = items[:2]
    arguments = ("--source", "a", "--steps", 4, "--grid", tmp_path / "way.png")
    output = done(registry, "interpolate", saved, *files, tmp_path / "way", *arguments)
    assert "rows a, b in" in output
    assert names(tmp_path / "way") == [f"00{k}.json" for k in range(4)]
    translator = Translator.load(saved, registry)
    rows = [translator.interpolate(*files, "a", name, 4) for name in "ab"]
    previews = [Dots().preview(item) for row in rows for item in row]
    assert (tmp_path / "way.png").read_bytes() == png(grid(previews, 4))


def test_a_walk_as_an_animation_of_all_domains(
    registry: Registry, real: Path, tmp_path: Path
) -> None:
    done(registry, "interpolate", real, tmp_path / "walk.gif", "--steps", 5, "--seed", 1)
    walked = Translator.load(real, registry).walk(5, seed=1)
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


def test_a_walk_as_one_sound(registry: Registry, real: Path, tmp_path: Path) -> None:
    done(registry, "interpolate", real, tmp_path / "walk.wav", "--steps", 4, "--seed", 2)
    found, rate = soundfile.read(tmp_path / "walk.wav")
    waves = Translator.load(real, registry).walk(4, ["spoken"], seed=2)["spoken"]
    assert rate == 4000
    assert len(found) == sum(len(wave) for wave in waves) + 3 * 600  # gaps of 0.15 s
    assert np.abs(found[: len(waves[0])] - waves[0].numpy()).max() < 1e-3


def test_between_pictures_as_a_sound_and_as_an_animation(
    registry: Registry, real: Path, tmp_path: Path
) -> None:
    files = [tmp_path / f"{k}.png" for k in range(2)]
    for k, file in enumerate(files):
        Image(size=8).write(torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(k)), file)
    common = ("--source", "digits", "--steps", 3)
    done(registry, "interpolate", real, *files, tmp_path / "way.wav", *common)
    assert soundfile.info(tmp_path / "way.wav").frames > 2 * 600
    done(
        registry, "interpolate", real, *files, tmp_path / "way.gif", "--target", "garments", *common
    )
    with Pillow.open(tmp_path / "way.gif") as image:
        assert (image.n_frames, image.size) == (3, (8 + 4, 8 + 4))  # of the target alone


def test_wrong_calls_are_told(registry: Registry, saved: Path, real: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "the steps go into a folder, a .gif or a .wav, not a .mp4" in refused(
        registry, "interpolate", saved, tmp_path / "way.mp4"
    )
    assert "give both FIRST and LAST, or neither" in refused(
        registry, "interpolate", saved, tmp_path / "a.json", out
    )
    assert "--source is the domain of FIRST and LAST" in refused(
        registry, "interpolate", saved, out, "--source", "a"
    )
    assert "no domain may be the target for '.wav'; say --target NAME" in refused(
        registry, "interpolate", saved, tmp_path / "way.wav"
    )
    assert "a sound was asked of 'digits', and its modality 'image' has none" in refused(
        registry, "interpolate", real, tmp_path / "way.wav", "--target", "digits"
    )
    assert "no domain 'z'" in refused(registry, "interpolate", saved, out, "--target", "z")
    for command in ("sample", "interpolate"):
        assert "--grid is a picture and its name ends in .png" in refused(
            registry, command, saved, out, "--grid", tmp_path / "all.jpg"
        )
    assert not out.exists()
    assert not list(tmp_path.glob("way.*"))


def test_a_bridge_without_a_prior_is_told(registry: Registry, tmp_path: Path) -> None:
    saved = save(tmp_path / "saved", NoPrior())
    for command in ("sample", "interpolate"):
        assert "the bridge 'no-prior' has no prior to sample from; it only translates" in refused(
            registry, command, saved, tmp_path / "out"
        )


def test_the_one_way_a_bridge_goes_needs_no_names_and_the_grid_no_row_of_the_source(
    registry: Registry, items: list[Path], tmp_path: Path
) -> None:
    saved = save(tmp_path / "saved", OneWay())
    said = done(registry, "translate", saved, *items, tmp_path / "made")
    assert said.count("(a)") == said.count("(b)") == 3
    grid = tmp_path / "grid.png"
    said = done(
        registry, "interpolate", saved, *items[:2], tmp_path / "way", "--steps", 3, "--grid", grid
    )
    assert f"rows b in {grid}" in said
    assert len(list((tmp_path / "way").iterdir())) == 3
