"""CoGAN's own nets for digits: a modality whose ends have the authors' geometry.

Source: the authors' published code, which the paper's tables agree with.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from transmodal.core.code import Code
from transmodal.core.config import check_number
from transmodal.core.critics import Logit
from transmodal.core.layers import through
from transmodal.core.signal import Signal
from transmodal.core.subnets import mean_token
from transmodal.core.transposed import TransposedConv
from transmodal.plugins.image.modality import Image

UP = (1024, 512, 256, 128)  # features of the generator's maps, of 4, 7, 13 and 25 pixels
DOWN = (20, 50, 500)  # of the discriminator's


class CoGANImage(Image):
    """Grey pictures of 28 x 28 pixels, with the authors' generator and discriminator.

    - Generator: z to 1024 maps of 4 x 4, three transposed convolutions of 3 x 3 (stride 2) to
      512, 256 and 128 maps, each with BatchNorm without scale and shift and a PReLU; then one of
      6 x 6 to the picture, and a sigmoid.
    - Discriminator, a LeNet: convolutions of 5 x 5 to 20 and 50 maps, each with max-pooling and
      no other nonlinearity, 500 features with a PReLU, and one logit (the authors' two
      logits under a softmax are one, their difference).

    All weights are drawn by Xavier's rule, uniform, gain sqrt 2; biases begin at 0.1.

    Args:
        width: of all maps and features, in parts of the published ones.
        augmentation: see ``Image``.

    With a condition, which the paper has not, the nets are those of ``Image``.

    Raises:
        SettingError: a setting out of its range.
    """

    name: ClassVar[str] = "cogan-image"

    def __init__(self, width: float = 1.0, augmentation: float = 0.0) -> None:
        super().__init__(augmentation=augmentation)
        check_number(self.name, "width", width, 1 / 16, 1)
        self.width = width

    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        if condition:
            return super().generator(width, condition=condition)
        return CoGANGenerator(width, [scaled(n, self.width) for n in UP])

    def discriminator(self, *, condition: int = 0) -> nn.Module:
        if condition:
            return super().discriminator(condition=condition)
        return CoGANDiscriminator([scaled(n, self.width) for n in DOWN])


class Rise(nn.Module):
    """A transposed convolution, BatchNorm without scale and shift, and a PReLU."""

    def __init__(self, c: int, d: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.conv = TransposedConv(c, d, kernel, stride, padding)
        self.norm = nn.BatchNorm2d(d, affine=False)
        self.rectify = nn.PReLU()

    def forward(self, x: Tensor | Code) -> Tensor:
        if isinstance(x, Code):
            x = mean_token(x)[:, :, None, None]
        made: Tensor = self.rectify(self.norm(self.conv(x)))
        return made


class Draw(nn.Module):
    """The last transposed convolution, and a sigmoid in float32."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(c, 1, 6, 1, 1)

    def forward(self, x: Tensor) -> Signal:
        return Signal(torch.sigmoid(self.conv(x).float()))


class CoGANGenerator(nn.Module):
    """``Code`` -> ``Signal`` ``[b 1 28 28]`` in [0, 1]; of several tokens, their mean counts."""

    def __init__(self, width: int, features: list[int]) -> None:
        super().__init__()
        a, b, c, d = features
        self.layers = nn.ModuleList(
            [Rise(width, a, 4, 1, 0), Rise(a, b, 3, 2, 1), Rise(b, c, 3, 2, 1), Rise(c, d, 3, 2, 1)]
        )
        self.layers.append(Draw(d))
        xavier(self)

    def forward(self, code: Code) -> Signal:
        made: Signal = through(self.layers, code)
        return made


class Pooled(nn.Module):
    """``Signal`` or maps -> maps of half the size: a convolution of 5 x 5 and max-pooling."""

    def __init__(self, c: int, d: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, d, 5)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Signal | Tensor) -> Tensor:
        made: Tensor = self.pool(self.conv(x.values if isinstance(x, Signal) else x))
        return made


class CoGANDiscriminator(nn.Module):
    """``Signal`` -> logits ``[b]``."""

    def __init__(self, features: list[int]) -> None:
        super().__init__()
        a, b, c = features
        flat = nn.Sequential(nn.Conv2d(b, c, 4), nn.PReLU(), nn.Flatten())
        self.layers = nn.ModuleList([Pooled(1, a), Pooled(a, b), flat, Logit(c)])
        xavier(self)

    def forward(self, signal: Signal) -> Tensor:
        logits: Tensor = through(self.layers, signal)
        return logits


def xavier(module: nn.Module) -> None:
    """Draw the weights as the authors did."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight, math.sqrt(2))
            nn.init.constant_(part.bias, 0.1)  # type: ignore[arg-type]


def scaled(features: int, width: float) -> int:
    """So many features at this part of the published width."""
    return max(1, round(features * width))
