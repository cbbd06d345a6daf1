"""``transmodal translate`` in the style of a file, or in one that is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from calls import Plugin, done, refused, save

from transmodal.core.bridges.universal_attention import UniversalAttention
from transmodal.core.translator import Translator
from transmodal.registry import Registry

from toys import Dots, Swap


@pytest.fixture
def registry(registry: Registry) -> Registry:
    registry.register(Plugin(bridges={"universal-attention": UniversalAttention}), "u", "acme", "1")
    return registry


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save(tmp_path / "saved", UniversalAttention(width=8, latent=4, style_width=8), seed=3)


def made(
    registry: Registry, saved: Path, files: list[Path], out: Path, *options: object
) -> torch.Tensor:
    done(registry, "translate", saved, *files, out, "--source", "a", *options)
    places = [out / file.name for file in files] if len(files) > 1 else [out]
    return torch.stack([Dots().read(place) for place in places])


def test_a_style_of_a_file_or_drawn(
    registry: Registry, saved: Path, items: list[Path], tmp_path: Path
) -> None:
    reference, *files = items
    translator = Translator.load(saved, registry)
    ways = {
        (): None,
        ("--style-of", reference): translator.style([reference], "b"),
        ("--style-seed", 0): translator.style_sample(seed=0),
        ("--style-seed", 7): translator.style_sample(seed=7),
    }
    found: list[torch.Tensor] = []
    for k, (options, style) in enumerate(ways.items()):
        wanted = torch.stack(translator.translate(files, "a", "b", style=style))
        many = made(registry, saved, files, tmp_path / f"many{k}", *options)
        torch.testing.assert_close(many, wanted)
        one = made(registry, saved, files[:1], tmp_path / f"one{k}.json", *options)
        torch.testing.assert_close(one, wanted[:1])
        assert all(not torch.allclose(many, other, atol=1e-4) for other in found)
        found.append(many)


def test_wrong_styles_are_refused(
    registry: Registry, saved: Path, items: list[Path], tmp_path: Path
) -> None:
    reference, first, second = items
    out = tmp_path / "out.json"

    def told(*options: object, folder: Path = saved) -> str:
        return refused(registry, "translate", folder, first, out, "--source", "a", *options)

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
