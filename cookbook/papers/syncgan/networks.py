"""SyncGAN's own nets for digits and garments: a modality with the authors' geometry.

Source: the authors' published code; the paper gives no layer sizes.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from transmodal.core.code import Code
from transmodal.core.critics import Logit
from transmodal.core.layers import through
from transmodal.core.signal import Signal
from transmodal.core.subnets import mean_token
from transmodal.plugins.image.modality import Image


class SyncGANImage(Image):
    """Grey pictures of 28 x 28 pixels, with the authors' three nets.

    - Generator: z to 128 maps of 7 x 7, ReLU; transposed convolutions of 5 x 5 (stride 2) to 64
      and 32 maps, ReLU; one of 3 x 3 to the picture, and a sigmoid. With ``norm``, BatchNorm
      without scale and shift at the input of every convolution, as the authors have it.
    - Discriminator: convolutions (stride 2) of 5 x 5 to 8 and of 3 x 3 to 16 maps, 128 features,
      one logit, ReLU between; much smaller than the generator.
    - Prenet, the synchronizer's feature net: of 5 x 5 to 16 and 3 x 3 to 32 maps, one token.

    Departure: the authors' discriminator and feature net have BatchNorm too, over batches of
    real or of generated items alone. Our bridge passes both in one batch, so they have none
    here. Weights are drawn as the authors draw them, normal within two deviations.

    Args:
        norm: BatchNorm in the generator.
        augmentation: see ``Image``.

    With a condition, which the paper has not, the nets are those of ``Image``.

    Raises:
        SettingError: a setting out of its range.
    """

    name: ClassVar[str] = "syncgan-image"

    def __init__(self, norm: bool = True, augmentation: float = 0.0) -> None:
        super().__init__(augmentation=augmentation)
        self.norm = bool(norm)

    def prenet(self, width: int, *, pooled: bool = False) -> nn.Module:
        """``Signal`` -> ``Code``: the authors' where it is pooled, else that of ``Image``."""
        return SyncGANPrenet(width) if pooled else super().prenet(width)

    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        if condition:
            return super().generator(width, condition=condition)
        return SyncGANGenerator(width, self.norm)

    def discriminator(self, *, condition: int = 0) -> nn.Module:
        if condition:
            return super().discriminator(condition=condition)
        return SyncGANDiscriminator()


class Spread(nn.Module):
    """``Code`` -> 128 maps of 7 x 7, ReLU; of several tokens, their mean counts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 128 * 49)

    def forward(self, code: Code) -> Tensor:
        return F.relu(self.linear(mean_token(code))).view(-1, 128, 7, 7)


class Rise(nn.Module):
    """BatchNorm without scale and shift where asked for, then a transposed convolution and ReLU.

    The maps double in size.
    """

    def __init__(self, c: int, d: int, norm: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(c, affine=False) if norm else nn.Identity()
        self.conv = nn.ConvTranspose2d(c, d, 5, 2, 2, output_padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(self.norm(x)))


class Draw(nn.Module):
    """The last convolution, and a sigmoid in float32."""

    def __init__(self, c: int, norm: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(c, affine=False) if norm else nn.Identity()
        self.conv = nn.ConvTranspose2d(c, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> Signal:
        return Signal(torch.sigmoid(self.conv(self.norm(x)).float()))


class SyncGANGenerator(nn.Module):
    """``Code`` -> ``Signal`` ``[b 1 28 28]`` in [0, 1]."""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [Spread(width), Rise(128, 64, norm), Rise(64, 32, norm), Draw(32, norm)]
        )
        truncated(self)

    def forward(self, code: Code) -> Signal:
        made: Signal = through(self.layers, code)
        return made


class Fall(nn.Module):
    """``Signal`` or maps -> maps of half the size: a convolution, ReLU."""

    def __init__(self, c: int, d: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, d, kernel, 2, kernel // 2)

    def forward(self, x: Signal | Tensor) -> Tensor:
        return F.relu(self.conv(x.values if isinstance(x, Signal) else x))


class SyncGANDiscriminator(nn.Module):
    """``Signal`` -> logits ``[b]``."""

    def __init__(self) -> None:
        super().__init__()
        flat = nn.Sequential(nn.Flatten(), nn.Linear(16 * 49, 128), nn.ReLU())
        self.layers = nn.ModuleList([Fall(1, 8, 5), Fall(8, 16, 3), flat, Logit(128)])
        truncated(self)

    def forward(self, signal: Signal) -> Tensor:
        logits: Tensor = through(self.layers, signal)
        return logits


class SyncGANPrenet(nn.Module):
    """``Signal`` -> ``Code`` of one token, in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            Fall(1, 16, 5), Fall(16, 32, 3), nn.Flatten(), nn.Linear(32 * 49, width)
        )
        truncated(self)

    def forward(self, signal: Signal) -> Code:
        return Code.of(self.net(signal).float())


def truncated(module: nn.Module) -> None:
    """Draw the weights normal within two deviations of sqrt(3 / (fan in + fan out)), biases 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            area = part.weight[0, 0].numel()
            std = (3 / (area * sum(part.weight.shape[:2]))) ** 0.5
            nn.init.trunc_normal_(part.weight, std=std, a=-2 * std, b=2 * std)
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]
