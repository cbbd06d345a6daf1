"""Image: pictures of one size, grey or RGB."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.config import check_choice, check_flag, check_number
from ...core.critics import JointCritic
from ...core.errors import DataError, SettingError
from ...core.modality import Metric, Modality, Preview
from ...core.signal import Signal
from ...core.subnets import Plan, halvings
from .files import FORMATS, read_picture, write_picture
from .items import as_picture, out_of_range
from .residual import ResidualGenerator, ResidualPrenet
from .roughen import roughen
from .subnets import (
    Centred,
    ImageDiscriminator,
    ImageGenerator,
    ImagePrenet,
    Sloped,
    WaistedGenerator,
    stages_of,
)
from .warp import mirror, warp

HIDDEN = 512


class Image(Modality):
    """Pictures ``[c h w]`` with pixels in [0, 1]; a signal holds them as ``[b c h w]``.

    Items may also be ``[h w]`` (grey), ``[h w c]``, numpy arrays, Pillow pictures, and of type
    uint8 with pixels in 0..255. With 2 or 4 channels, the last is alpha (``items``).

    ``published["m3d-gan"]`` holds that paper's sizes (sec. 4) and its loss; of critics it says
    nothing, and these are BicycleGAN's (Zhu et al. 2017), of the finer of its two scales.

    Args:
        size: in pixels, one number for a square or (h, w), 8 to 256.
        channels: 1 (grey) or 3 (RGB).
        background: grey level in [0, 1] behind transparent pixels, and, in files, around
            pictures of another aspect.
        augmentation: strength of ``augment``; at 1 up to 10 degrees, 10 % of scale, 0.1 of
            shear and 8 % of shift; 0 for none.
        roughness: strength of what ``augment`` does to strokes and print, for pictures of
            writing: thickness, resolution, gamma, contrast; 0 for nothing.
        flip: whether a mirrored picture is as good as the picture (garments, not digits);
            then ``augment`` mirrors every other one.
        std: of the Normal likelihood of a pixel; of the Laplace one, its scale.
        hidden: width of the generator's hidden layer; 0, for adversarial training, leaves it out
            (``core.decoders.ConvDecoder``). A generator with a waist has none.
        critic: features of the discriminator's first map, doubling from map to map; 0 for one
            without convolutions (``core.critics.Critic``).
        waist: features of full size that the generator renders its picture from, locally; 0
            for a generator without that narrow place. Domains whose generators are tied up to
            it can differ in their looks only (weight tying wants 1 or 2).
        likelihood: of a pixel, ``"normal"`` (squared error) or ``"laplace"`` (absolute error,
            which blurs less).
        grid: positions along an axis of the map that tokens are read from and laid out on, at
            most, where there are several; 0 for 8. A finer grid keeps shapes sharp.
        residual: blocks of each half of the residual encoder-decoder, which then is the
            generator (``residual.ResidualGenerator``; the paper's has 6); 0 for the plain one.
        patches: pixels along a side, about, of the patches that the discriminator judges each
            by itself, its logit their mean (``core.critics.Critic``); 0 for pictures as a whole.
        slopes: how steeply prenets and the discriminator are shown the differences of
            neighbouring pixels beside the pixels, at most 1000 (``subnets.Sloped``; 20 tells flat
            areas from faintly shaded ones); 0 for pixels alone. A discriminator is as much
            steeper itself, and a penalty of its gradients (R1), which grows with their square,
            has to weigh less.

    Raises:
        SettingError: a setting is of the wrong type or out of its range.
    """

    name: ClassVar[str] = "image"
    units: ClassVar[str] = "pixels in [0, 1]"
    suffixes: ClassVar[tuple[str, ...]] = tuple(FORMATS)
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "m3d-gan": {
            "size": 256, "channels": 3, "residual": 6, "likelihood": "laplace", "std": 0.1,
            "patches": 70, "critic": 64, "augmentation": 0.0,
        },
    }  # fmt: skip

    def __init__(
        self,
        size: int | tuple[int, int] = 28,
        channels: int = 1,
        background: float = 1.0,
        augmentation: float = 1.0,
        roughness: float = 0.0,
        flip: bool = False,
        std: float = 0.1,
        hidden: int = HIDDEN,
        critic: int = 32,
        waist: int = 0,
        likelihood: str = "normal",
        grid: int = 0,
        residual: int = 0,
        patches: int = 0,
        slopes: float = 0.0,
    ) -> None:
        sides = (size, size) if isinstance(size, int) else size
        if not isinstance(sides, tuple | list) or len(sides) != 2:
            raise SettingError(f"image: size must be one number or (h, w), not {size!r}")
        for side in sides:
            check_number("image", "size", side, 8, 256, integer=True)
        check_choice("image", "channels", channels, (1, 3))
        check_number("image", "background", background, 0, 1)
        check_number("image", "augmentation", augmentation, 0, 3)
        check_number("image", "roughness", roughness, 0, 1)
        check_flag("image", "flip", flip)
        check_number("image", "std", std, 1e-3, 10)
        check_number("image", "hidden", hidden, 0, 4096, integer=True)
        check_number("image", "critic", critic, 0, 512, integer=True)
        check_number("image", "waist", waist, 0, 64, integer=True)
        check_choice("image", "likelihood", likelihood, ("normal", "laplace"))
        check_number("image", "grid", grid, 0, 64, integer=True)
        check_number("image", "residual", residual, 0, 32, integer=True)
        check_number("image", "patches", patches, 0, 256, integer=True)
        check_number("image", "slopes", slopes, 0, 1000)
        if waist and hidden not in (0, HIDDEN):
            raise SettingError(
                f"image: hidden ({hidden}) has no use beside a waist, whose generator has no such "
                "layer; leave it out"
            )
        if residual and (waist or hidden not in (0, HIDDEN)):
            raise SettingError(
                f"image: waist ({waist}) and hidden ({hidden}) have no use beside residual blocks, "
                "whose generator has neither; leave them out"
            )
        if patches and not critic:
            raise SettingError(
                f"image: a discriminator without convolutions (critic 0) sees no patches "
                f"({patches}); leave one of them out"
            )
        self.size: tuple[int, int] = (sides[0], sides[1])
        self.channels = channels
        self.background = background
        self.augmentation, self.roughness, self.flip = augmentation, roughness, flip
        self.std = std
        self.hidden, self.critic = hidden, critic
        self.waist = waist
        self.likelihood = likelihood
        self.grid, self.residual = grid, residual
        self.patches, self.slopes = patches, slopes

    # -- data ---------------------------------------------------------------
    def read(self, path: Path) -> Tensor:
        """The picture in a file, ``[c h w]``; ``files.read_picture`` says how it is fitted."""
        return read_picture(Path(path), self.size, self.channels, self.background)

    def write(self, item: Any, path: Path) -> None:
        write_picture(self.collate([item]).values[0], Path(path))

    def collate(self, items: Sequence[Any]) -> Signal:
        how = self.size, self.channels, self.background
        pictures = [as_picture(item, i, *how) for i, item in enumerate(items)]
        if not pictures:
            raise DataError("image: no items to collate; give at least one")
        values = torch.stack(pictures)
        flat = values.flatten(1)
        # a NaN fails both comparisons
        good = ((flat >= 0) & (flat <= 1)).all(1)
        if not bool(good.all()):
            i = int(good.logical_not().nonzero()[0])
            raise out_of_range(flat[i], i)
        return Signal(values)

    def split(self, signal: Signal) -> list[Tensor]:
        """Pictures ``[c h w]``, float32 on the CPU, clamped to [0, 1]."""
        return list(signal.values.detach().float().cpu().clamp(0, 1).unbind())

    def preview(self, item: Any) -> Preview:
        return Preview(self.collate([item]).values[0].expand(3, -1, -1).contiguous())

    def augment(self, signal: Signal, generator: torch.Generator) -> Signal:
        """Each picture under its own small rotation, scaling, shear and shift, perhaps mirrored.

        Random numbers are drawn from the generator alone; ``warp.warp`` says how much.
        """
        if not (self.flip or self.augmentation or self.roughness):
            return signal
        values = signal.values
        if self.flip:
            values = mirror(values, generator)
        if self.augmentation:
            with torch.autocast(values.device.type, enabled=False):
                values = warp(values, self.augmentation, generator)
        if self.roughness:
            with torch.autocast(values.device.type, enabled=False):
                values = roughen(values, self.roughness, generator)
        return Signal(values)

    # -- subnets ------------------------------------------------------------
    def prenet(self, width: int, *, pooled: bool = False) -> nn.Module:
        """``Signal`` -> ``Code``: one token, or a token for each position of the innermost map."""
        enter, seen = self._seen()
        if self.residual and not pooled:
            return ResidualPrenet(enter, self._plan(seen), width)
        plan = Plan(seen, self.size) if pooled else self._plan(seen)
        return ImagePrenet(enter, plan, width, pooled)

    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        """``Code`` -> ``Signal`` in [0, 1]; ``core.decoders.ConvDecoder`` says how tokens enter."""
        if self.waist:
            return WaistedGenerator(self.channels, self.size, width, condition, self.waist)
        if self.residual:
            return ResidualGenerator(self._plan(self.channels), width, condition, self.residual)
        return ImageGenerator(self._plan(self.channels), width, condition, self.hidden)

    def discriminator(self, *, condition: int = 0) -> nn.Module:
        enter, seen = self._seen()
        plan = Plan(seen, self.size, stages_of(self.patches, self.size), self.critic)
        return ImageDiscriminator(enter, plan, condition, self.patches > 0)

    def _seen(self) -> tuple[nn.Module, int]:
        """What enters prenets and discriminators, and its channels."""
        if self.slopes:
            return Sloped(self.slopes), 3 * self.channels
        return Centred(), self.channels

    def _plan(self, channels: int) -> Plan:
        """The sizes between a picture of so many channels and the map of its tokens."""
        halve = (halvings(self.size[0], self.grid), halvings(self.size[1], self.grid))
        return Plan(channels, self.size, halve)

    def joint_discriminator(self, count: int) -> nn.Module:
        enter, seen = self._seen()
        return JointCritic(enter, Plan(count * seen, self.size, base=self.critic))

    # -- learning -----------------------------------------------------------
    def reconstruction(self, made: Signal, real: Signal) -> Tensor:
        """``sum (made - real)^2 / (2 std^2)`` over pixels: a Normal of fixed std, ``[b]`` nats.

        Of the Laplace likelihood, ``sum |made - real| / std``.

        Source: the code of Tian & Engel 2019 (x_sigma 0.1); M3D-GAN, Eq. 2.
        """
        error = made.values.float() - real.values.float()
        if self.likelihood == "laplace":
            return error.abs().flatten(1).sum(1) / self.std
        return error.square().flatten(1).sum(1) / (2 * self.std**2)

    def metrics(self) -> Mapping[str, Metric]:
        """``mse`` per pixel, and ``psnr`` in decibels of a batch."""
        return {"mse": mse, "psnr": psnr}


def mse(made: Signal, real: Signal) -> float:
    """Mean squared error of a pixel."""
    return F.mse_loss(made.values.float(), real.values.float()).item()


def psnr(made: Signal, real: Signal) -> float:
    """Peak signal-to-noise ratio in decibels, of pixels in [0, 1]; infinite when equal."""
    error = mse(made, real)
    return math.inf if error == 0 else -10 * math.log10(error)
