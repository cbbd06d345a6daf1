"""pix2pix (Isola et al. 2017): the baseline of image to image, one net for all target styles.

A U-Net of the authors' layout (four 4 x 4 convolutions of stride 2, instance norm, skips)
with an L1 loss of weight 100 and a critic of patches that sees source and target together. The
wanted style comes as one-hot maps, to both. Where it departs: pixels are enlarged by shuffling
(Shi et al. 2016), no dropout, and the optimiser's rates and the average of the weights are those
of the model it is compared with: none were chosen for it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transmodal.core.adversarial import non_saturating, real_or_made
from transmodal.core.stage import Adam, Batches, Draw, Phase, Stage

L1 = 100.0


class Down(nn.Module):
    """``[b c h w]`` -> ``[b d h/2 w/2]``."""

    def __init__(self, c: int, d: int, normed: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, d, 4, 2, 1)
        self.norm = nn.InstanceNorm2d(d, affine=True) if normed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x.contiguous(memory_format=torch.channels_last))
        made: Tensor = self.norm(x)
        return F.leaky_relu(made, 0.2)


class Up(nn.Module):
    """``[b c h w]`` -> ``[b d 2h 2w]``."""

    def __init__(self, c: int, d: int, normed: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, 4 * d, 3, 1, 1)
        self.norm = nn.InstanceNorm2d(d, affine=True) if normed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_shuffle(self.conv(x.contiguous(memory_format=torch.channels_last)), 2)
        made: Tensor = self.norm(x)
        return made


class UNet(nn.Module):
    """Pictures ``[b c s s]`` in [0, 1] and styles ``[b]`` -> pictures ``[b 3 s s]``.

    Args:
        channels: of the source.
        styles: how many there are.
        base: features after the first stage.
    """

    def __init__(self, channels: int, styles: int, base: int) -> None:
        super().__init__()
        self.styles = styles
        sizes = (base, 2 * base, 4 * base, 4 * base)
        self.downs = nn.ModuleList()
        c = channels + styles
        for i, d in enumerate(sizes):
            self.downs.append(Down(c, d, 0 < i < len(sizes) - 1))
            c = d
        self.ups = nn.ModuleList()
        for d in sizes[-2::-1]:
            self.ups.append(Up(c, d))
            c = 2 * d
        self.last = Up(c, 3, normed=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = asked(x * 2 - 1, style, self.styles)
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = skips.pop()
        for up in self.ups:
            x = torch.cat([F.relu(up(x)), skips.pop()], 1)
        return torch.sigmoid(self.last(x).float())


def asked(x: Tensor, style: Tensor, styles: int) -> Tensor:
    """The picture, and a map of ones for its style, of zeros for every other."""
    maps = F.one_hot(style.to(x.device), styles).to(x.dtype)[:, :, None, None]
    return torch.cat([x, maps.expand(-1, -1, *x.shape[2:])], 1)


class Pix2Pix(nn.Module):
    """The U-Net, its critic, and how they learn.

    Args:
        channels: of the source.
        styles: how many there are.
        base: features of the U-Net's first stage.
    """

    def __init__(self, channels: int, styles: int, base: int = 46) -> None:
        super().__init__()
        self.styles = styles
        self.net = UNet(channels, styles, base)
        self.critic = nn.Sequential(
            Down(channels + styles + 3, 64, False), Down(64, 128), nn.Conv2d(128, 1, 4, 1, 1)
        )
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, 0.2)

    def stage(
        self, source: str, target: str, steps: int, batch: int, optimizer: Adam, critic_rate: float
    ) -> Stage:
        """Its training on pairs of two domains; labels are the target's style."""
        draw = Draw("pairs", (source, target), batch, "paired")

        def shared(batches: Batches, step: int) -> tuple[Tensor, Tensor, Tensor]:
            given = batches["pairs"]
            x, style = given.signals[source].values, given.labels[target]
            return (
                asked(x * 2 - 1, style, self.styles),
                given.signals[target].values,
                self.net(x, style),
            )

        def judge(batches: Batches, given: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
            known, real, made = given
            truth, seen = (self._seen(known, x) for x in (real, made.detach()))
            return {"critic": real_or_made(truth, seen) / 2}

        def draws(batches: Batches, given: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
            known, real, made = given
            return {
                "l1": L1 * 2 * (made - real).abs().mean(),  # their pixels span [-1, 1]
                "adversarial": non_saturating(self._seen(known, made)),
            }

        critic = Phase("critic", [self.critic], judge, optimizer=Adam(critic_rate, (0.5, 0.999)))
        maker = Phase("net", [self.net], draws, optimizer=optimizer, ema=0.995)
        return Stage("pix2pix", steps, [critic, maker], [draw], shared=shared)

    def _seen(self, known: Tensor, x: Tensor) -> Tensor:
        logits: Tensor = self.critic(torch.cat([known, x * 2 - 1], 1))
        return logits.float()

    @torch.no_grad()
    def make(self, pictures: Tensor, style: int, batch: int = 50) -> Tensor:
        """Pictures ``[n c s s]`` redrawn in a style, ``[n 3 s s]``."""
        device = next(self.parameters()).device  # wherever it was trained
        wanted = torch.full((len(pictures),), style)
        parts = zip(pictures.split(batch), wanted.split(batch), strict=True)
        return torch.cat([self.net(x.to(device), s).cpu() for x, s in parts])
