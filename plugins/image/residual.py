"""The residual encoder-decoder: a generator that compresses a map of tokens, then makes pictures.

M3D-GAN (Ma et al. 2019, sec. 4): "six residual conv2D layers compress the input [...], six
residual deconv2D layers are used for decoding". Where we depart: skips join the two halves, as
in pix2pix's generator (Isola et al. 2017), so that shapes need not pass the innermost map; the
style enters every block (FiLM) where the paper concatenates it once, and frames what skips carry
(``framing``); tokens carry pixels too (``patches``), which the generator adds to, so that an
untrained one copies. Where it is to take shading off, it may paint over them, by a mask like
GANimation's (Pumarola et al. 2018, eq. 1), which here weighs what is copied alone, and a style may
have areas flattened (``smoothing``) and details drawn more strongly or less (``contrast``). There
is no norm, and no layer mixes items.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.code import Code
from ...core.decoders import Start
from ...core.signal import Signal
from ...core.subnets import (
    ConvPrenet,
    Down,
    Plan,
    check_condition,
    clipped,
    even,
    he,
    mean_token,
)
from .contrast import Contrast
from .framing import Framing, framed
from .patches import COLOURS, Laid, Taken
from .smoothing import Smoothing

FINE = 32  # features at full size
FAINT = 0.1  # of the usual weights: what is added to the pixels at first


class ResidualPrenet(nn.Module):
    """``Signal`` ``[b c h w]`` -> ``Code`` of a token for each position of the plan's last map.

    A convolution for each halving (the paper's has two layers), and the patch's own pixels, which
    what the convolutions say leaves alone where a token has room for both.

    Args:
        enter: from the signal to the picture that the convolutions see.
        plan: the sizes, from there on.
        width: d of the code.
    """

    def __init__(self, enter: nn.Module, plan: Plan, width: int) -> None:
        super().__init__()
        h, w = plan.sizes[-1]
        self.enter = enter
        self.net = ConvPrenet(plan, width, h * w)
        self.pixels = Taken(plan, width)
        with torch.no_grad():
            self.net.head.weight.mul_(FAINT)  # type: ignore[operator]

    def forward(self, signal: Signal) -> Code:
        tokens = self.pixels.beside(self.net(self.enter(signal)))
        return Code(tokens + self.pixels(signal.values * 2 - 1).float(), placed=True)


def modulated(x: Tensor, film: Tensor) -> Tensor:
    """``x [b c h w]`` scaled and shifted by ``film [b 2c]``."""
    scale, shift = film[:, :, None, None].chunk(2, 1)
    return torch.addcmul(x + shift, x, scale)


class Block(nn.Module):
    """``[b c h w]`` -> ``[b c h w]``: what two convolutions say is added, under a style."""

    def __init__(self, c: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(c, c, 3, 1, 1)
        self.film = nn.Linear(condition, 2 * c) if condition else None
        self.last = nn.Conv2d(c, c, 3, 1, 1)

    def forward(self, x: Tensor, style: Tensor | None) -> Tensor:
        y: Tensor = self.first(F.relu(x).contiguous(memory_format=torch.channels_last))
        if self.film is not None and style is not None:
            y = modulated(y, self.film(style))
        added: Tensor = self.last(F.relu(y))
        return x + added


class Larger(nn.Module):
    """``[b c h w]`` -> ``[b d *size]``: evened (see ``even``), convolved, enlarged between pixels.

    Shuffled pixels (``core.decoders.Up``) lay a chequer over pictures that are mostly copied
    (Odena et al. 2016).
    """

    def __init__(self, c: int, d: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.conv, self.size = nn.Conv2d(c, d, 3, 1, 1), size

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(even(x).contiguous(memory_format=torch.channels_last))
        return F.interpolate(x, self.size, mode="bilinear", align_corners=False)


class ResidualGenerator(nn.Module):
    """``Code`` -> ``Signal`` ``[b c h w]`` in [0, 1], float32 under any autocast.

    A code with a token for each position of the plan's innermost map is laid out there; any
    code speaks through its mean token too, which is added to the map within. The first blocks
    work there, the middle ones at half its size, the last there again; then the picture grows,
    and is finished at full size beside the pixels that are copied: ``(1 - mask) copied + added``,
    which is smoothed, and its contrast set, last.
    A condition scales and shifts the features of every block and size (Perez et al. 2018, eq. 2).

    Args:
        plan: the sizes, from outside in.
        width: d of the code.
        condition: width of the condition; 0 for none.
        blocks: residual blocks of each half, 2 or more.
    """

    def __init__(self, plan: Plan, width: int, condition: int, blocks: int) -> None:
        super().__init__()
        self.condition, self.size = condition, plan.sizes[-1]
        h, w = self.size
        c, inner = plan.features[-1], 2 * plan.features[-1]
        small = (-(-h // 2), -(-w // 2))
        self.place = nn.Linear(width, c)
        self.mean = Start(width, (inner, *small))
        within = blocks // 2

        def stack(features: int, count: int) -> nn.ModuleList:
            return nn.ModuleList(Block(features, condition) for _ in range(count))

        self.outer = stack(c, blocks - within)
        self.down = Down(c, inner, (2, 2), 0.2, 3)
        self.inner = stack(inner, 2 * within)
        self.up = Larger(inner, c, self.size)
        self.last = stack(c, blocks - within)
        features = (FINE, *plan.features[1:])
        self.ups = nn.ModuleList(
            Larger(features[i + 1], features[i], plan.sizes[i])
            for i in range(len(plan.strides) - 1, -1, -1)
        )
        self.finish = nn.Conv2d(FINE + COLOURS, FINE, 3, 1, 1)
        self.leave = nn.Conv2d(FINE, plan.features[0] + 1, 3, 1, 1)  # and the mask
        he(self)
        self.films = nn.ModuleList()
        if condition:
            self.films.extend(nn.Linear(condition, 2 * f) for f in features[::-1])
        for block in [*self.outer, *self.inner, *self.last]:
            nn.init.normal_(block.last.weight, 0, 0.5 / (9 * block.last.in_channels) ** 0.5)
            if block.film is not None:
                nn.init.normal_(block.film.weight, 0, condition**-0.5)
        for film in self.films:
            nn.init.normal_(film.weight, 0, condition**-0.5)  # type: ignore[arg-type]
        nn.init.xavier_normal_(self.place.weight)
        nn.init.xavier_normal_(self.leave.weight, FAINT)
        self.pixels = Laid(plan, width)
        self.framing = Framing(condition) if condition else None
        self.smoothing = Smoothing(condition) if condition else None
        self.contrast = Contrast(condition) if condition else None

    def forward(self, code: Code, condition: Code | None = None) -> Signal:
        style = check_condition(condition, self.condition)
        within = self.mean(mean_token(code))
        skip: Tensor | None = None
        frame = self.framing(style) if self.framing is not None and style is not None else None
        if code.placed and code.tokens.shape[1] == self.size[0] * self.size[1]:
            skip = framed(self.laid_out(code), frame)
            for block in self.outer:
                skip = block(skip, style)
            within = within + self.down(skip)
        for block in self.inner:
            within = block(within, style)
        x = self.up(within)
        if skip is not None:
            x = x + skip
        for block in self.last:
            x = block(x, style)
        for i, up in enumerate(self.ups):
            if style is not None:
                x = modulated(x, self.films[i](style))
            x = up(x)
        copied = x.new_zeros(len(x), self.pixels.channels, *x.shape[2:])
        if skip is not None:
            copied = framed(self.pixels(masked(code)), frame)
        x = torch.cat([F.relu(x), copied.to(x.dtype).expand(-1, COLOURS, -1, -1)], 1)
        x = self.finish(x.contiguous(memory_format=torch.channels_last))
        if style is not None:
            x = modulated(x, self.films[-1](style))
        added, mask = self.leave(F.relu(x)).float().split([copied.shape[1], 1], 1)
        made = clipped((1 + (1 - clipped(mask)) * copied + added) / 2)
        if self.smoothing is not None and style is not None:
            made = self.smoothing(made, style)
        if self.contrast is not None and style is not None:
            made = self.contrast(made, style)
        return Signal(made)

    def laid_out(self, code: Code) -> Tensor:
        """The tokens, row by row: ``[b n d]`` -> ``[b C h w]``."""
        x: Tensor = self.place(masked(code))
        return x.transpose(1, 2).reshape(len(x), -1, *self.size)


def masked(code: Code) -> Tensor:
    """The tokens, zeros where they are padding."""
    if code.mask is None:
        return code.tokens
    return code.tokens * code.mask[..., None].to(code.tokens.dtype)
