"""``transmodal translate`` in the style of a file, or in one that is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from calls import refused, run

from transmodal.core.bridge import Bridge
from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.translator import Translator
from transmodal.registry import Registry, hookimpl
from transmodal.registry import commands as built_in

from toys import Dots, Swap, dots


class Toys:
    @hookimpl
    def register_modalities(self) -> dict[str, Any]:
        return {"dots": Dots}

    @hookimpl
    def register_bridges(self) -> dict[str, Any]:
        return {"swap": Swap, "universal-attention": UniversalAttention}


REGISTRY = Registry()
REGISTRY.register(built_in, "commands", "transmodal", "0.1.0")
REGISTRY.register(Toys(), "toys", "acme-toys", "3.1")


def save(folder: Path, bridge: Bridge) -> Path:
    translator = Translator({"a": Dots(), "b": Dots()}, bridge)
    translator.connect(("0", "1"), seed=3)
    return translator.save(folder)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save(tmp_path / "saved", UniversalAttention(width=8, latent=4, style_width=8))


@pytest.fixture
def items(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"item{k}.json" for k in range(3)]
    for file, item in zip(files, dots(3)[0], strict=True):
        Dots().write(item, file)
    return files


def made(saved: Path, files: list[Path], out: Path, *options: object) -> torch.Tensor:
    done = run(REGISTRY, "translate", saved, *files, out, "--source", "a", *options)
    assert done.exit_code == 0, done.output
    places = [out / file.name for file in files] if len(files) > 1 else [out]
    return torch.stack([Dots().read(place) for place in places])


def test_a_style_of_a_file_or_drawn(saved: Path, items: list[Path], tmp_path: Path) -> None:
    reference, *files = items
    translator = Translator.load(saved, REGISTRY)
    ways = {
        (): None,
        ("--style-of", reference): translator.style([reference], "b"),
        ("--style-seed", 0): translator.style_sample(seed=0),
        ("--style-seed", 7): translator.style_sample(seed=7),
    }
    found: list[torch.Tensor] = []
    for k, (options, style) in enumerate(ways.items()):
        wanted = torch.stack(translator.translate(files, "a", "b", style=style))
        many = made(saved, files, tmp_path / f"many{k}", *options)
        torch.testing.assert_close(many, wanted)
        one = made(saved, files[:1], tmp_path / f"one{k}.json", *options)
        torch.testing.assert_close(one, wanted[:1])
        assert all(not torch.allclose(many, other, atol=1e-4) for other in found)
        found.append(many)


def test_wrong_styles_are_refused(saved: Path, items: list[Path], tmp_path: Path) -> None:
    reference, first, second = items
    out = tmp_path / "out.json"

    def told(*options: object, folder: Path = saved) -> str:
        return refused(REGISTRY, "translate", folder, first, out, "--source", "a", *options)

    both = told("--style-of", reference, "--style-seed", 1)
    assert "--style-of, or drawn, --style-seed" in both
    assert "does not exist" in told("--style-of", tmp_path / "gone.json")
    assert "-1 is not in the range x>=0" in told("--style-seed", -1)
    assert "give among or style" in told("--style-seed", 1, "--among", second)
    second.write_text("[1, 2")
    assert "not a JSON list" in told("--style-of", second)
    swap = save(tmp_path / "swap", Swap())
    for option in (("--style-of", reference), ("--style-seed", 1)):
        assert "the bridge 'swap' has no styles" in told(*option, folder=swap)
    assert not out.exists()
