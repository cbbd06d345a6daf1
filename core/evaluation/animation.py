"""Animations as GIF files, and sounds one after another."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..atomic import write_atomically
from ..errors import DataError, MediaError
from ..modality import Preview
from .pictures import checked, grid, wav

FRAME = 0.15  # seconds a frame is shown
GAP = 0.15  # seconds of silence between two sounds


def frames(steps: Sequence[Sequence[Preview]], gap: int = 2) -> list[Tensor]:
    """A picture ``[3 h w]`` for each step, its previews side by side, all of one size.

    Args:
        steps: the previews of each step, as many in each.
        gap: white pixels around each preview.

    Raises:
        DataError: no steps, or steps of different lengths.
    """
    columns = {len(previews) for previews in steps}
    if len(columns) != 1:
        raise DataError(
            f"an animation needs steps with as many previews each, not {sorted(columns) or 'none'}"
        )
    # one grid of all steps, so that all frames have cells of one size
    whole = grid([preview for previews in steps for preview in previews], columns.pop(), gap)
    return list(whole.chunk(len(steps), 1))


def gif(pictures: Sequence[Tensor], seconds: float = FRAME) -> bytes:
    """Pictures ``[3 h w]`` in [0, 1] as a GIF file's bytes, shown over and over.

    Pictures of at most 256 colours (all grey ones) keep them; others get the 256 nearest.
    Equal pictures in a row become one frame, shown as long as all of them.

    Args:
        pictures: two or more, of one size.
        seconds: each is shown, 0.02 or more, in whole hundredths.

    Raises:
        DataError: fewer than two pictures, of several sizes or not ``[3 h w]``, or a time
            that players do not keep.
    """
    from PIL import Image

    shapes = {tuple(checked(picture).shape) for picture in pictures}
    if len(pictures) < 2 or len(shapes) > 1 or not 0.02 <= seconds <= 600:
        raise DataError(
            f"an animation is two or more pictures of one size, each for 0.02 s or more, not "
            f"{len(pictures)} of the sizes {sorted(shapes)} for {seconds:g} s"
        )
    images = []
    for picture in pictures:
        pixels = (checked(picture).clamp(0, 1) * 255).round().to(torch.uint8)
        image = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
        images.append(image.quantize(256, dither=Image.Dither.NONE))
    file = io.BytesIO()
    images[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=round(seconds * 100) * 10,
        loop=0,
    )
    return file.getvalue()


def save_animation(pictures: Sequence[Tensor], path: Path, seconds: float = FRAME) -> None:
    """Write pictures as a GIF file; see ``gif``.

    Raises:
        DataError: see ``gif``.
        MediaError: the name does not end in .gif, or the file cannot be written.
    """
    if path.suffix.lower() != ".gif":
        raise MediaError(f"an animation is saved as .gif, not as {path.name}")
    write_atomically(path, gif(pictures, seconds))


def joined(previews: Sequence[Preview], gap: float = GAP) -> tuple[Tensor, int]:
    """The sounds of previews one after another ``[t]``, and their rate in hertz.

    Args:
        previews: one or more that have a sound, all of one rate.
        gap: seconds of silence between two.

    Raises:
        DataError: a preview cannot be heard, there is none, or their rates differ.
    """
    heard = [(p.sound, p.sample_rate) for p in previews if p.sound is not None and p.sample_rate]
    rates = {rate for _, rate in heard}
    if not previews or len(heard) < len(previews) or len(rates) > 1:
        raise DataError(
            f"a sound is joined of sounds of one rate; of {len(previews)} items {len(heard)} can "
            f"be heard, at {', '.join(f'{rate} Hz' for rate in sorted(rates)) or 'no rate'}"
        )
    [rate] = rates
    parts: list[Tensor] = []
    for sound, _ in heard:
        parts += [sound.detach().float().cpu(), torch.zeros(round(gap * rate))]
    return torch.cat(parts[:-1]), rate


def save_sounds(previews: Sequence[Preview], path: Path, gap: float = GAP) -> None:
    """Write the sounds of previews one after another into one WAV file; see ``joined``.

    Raises:
        DataError: see ``joined``.
        MediaError: the name does not end in .wav, or the file cannot be written.
    """
    if path.suffix.lower() != ".wav":
        raise MediaError(f"sounds are saved as .wav, not as {path.name}")
    write_atomically(path, wav(*joined(previews, gap)))
