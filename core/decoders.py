"""From codes to pictures: generators that grow a small map to full size."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .code import Code
from .layers import through
from .subnets import Plan, check_condition, even, he, mean_token


class Mean(nn.Module):
    """A code -> features ``[b hidden]``: a linear layer on the mean token, a leaky ReLU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, hidden)

    def forward(self, code: Code) -> Tensor:
        # leaky: a ReLU's units die in an adversarial game's first steps, and all z look alike
        return F.leaky_relu_(self.linear(mean_token(code)), 0.2)


class Start(nn.Module):
    """Vectors ``[b width]``, or codes by their mean token, -> the innermost map ``[b C h w]``."""

    def __init__(self, width: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.linear = nn.Linear(width, math.prod(shape))

    def forward(self, given: Code | Tensor) -> Tensor:
        x = mean_token(given) if isinstance(given, Code) else given
        made: Tensor = self.linear(x)
        return made.view(len(x), *self.shape)

    def extra_repr(self) -> str:
        return f"shape={self.shape}"


class Up(nn.Module):
    """``[b c h w]`` -> ``[b d h*rows w*columns]`` cut to ``size``: the way back of one stage.

    Its input is evened (see ``even``), or only rectified. A convolution at
    the small size then makes the rows * columns pixels of each position (Shi et al. 2016),
    which costs a quarter of convolving at the large size.
    """

    def __init__(
        self, c: int, d: int, stride: tuple[int, int], size: tuple[int, int], evened: bool
    ) -> None:
        super().__init__()
        self.stride, self.size, self.evened = stride, size, evened
        self.conv = nn.Conv2d(c, d * stride[0] * stride[1], 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.stride
        x = even(x) if self.evened else F.relu(x)
        x = self.conv(x.contiguous(memory_format=torch.channels_last))
        b, _, h, w = x.shape
        x = x.view(b, -1, rows, columns, h, w).permute(0, 1, 4, 2, 5, 3)
        x = x.reshape(b, -1, h * rows, w * columns)
        return x[:, :, : self.size[0], : self.size[1]]

    def extra_repr(self) -> str:
        return f"stride={self.stride}, size={self.size}, evened={self.evened}"


def spread(code: Code, n: int) -> Code:
    """A code of n tokens, its own laid from the first place to the last.

    Each item's real tokens are interpolated linearly in their order: a sentence of any length
    over a spectrogram's time, or a picture's rows.
    """
    tokens = code.tokens
    d, count = tokens.shape[2], code.counts
    if code.mask is not None:
        front = code.mask.to(torch.uint8).sort(stable=True, dim=1, descending=True).indices
        tokens = tokens.gather(1, front[..., None].expand(-1, -1, d))
    way = torch.linspace(0, 1, n, device=tokens.device)
    where = way * (count[:, None] - 1).clamp(min=0)
    low = where.floor().long()
    high = torch.minimum(low + 1, (count[:, None] - 1).clamp(min=0))
    part = (where - low)[..., None].to(tokens.dtype)
    first, second = (tokens.gather(1, i[..., None].expand(-1, -1, d)) for i in (low, high))
    return Code(torch.lerp(first, second, part))


class ConvDecoder(nn.Module):
    """A code -> pictures ``[b c h w]``, not yet squashed into their range.

    The mean token goes through two linear layers into the innermost map, and from there
    (evened, see ``even``) stage by stage to exactly the size of the plan. Of a code that is
    placed, with ``n`` tokens, each token that is real also adds to its own place of the map at
    ``stage``; other codes are spread over the places (``spread``), but an item of one token, a
    latent vector, speaks through its mean alone. A condition scales and shifts the features of
    every stage (FiLM, Perez et al. 2018, eq. 2).

    Args:
        plan: the sizes, from outside in.
        width: d of the code.
        condition: width of the condition; 0 for none.
        n: tokens that have a place of their own.
        stage: at which map of the plan, counted from outside.
        hidden: width of the layer between the mean token and the innermost map; 0 for none,
            and every map evened: adversarial training, which with that layer soon makes
            one picture of all z, wants it so.
    """

    def __init__(
        self, plan: Plan, width: int, condition: int, n: int, stage: int, hidden: int = 512
    ) -> None:
        super().__init__()
        self.plan, self.condition, self.n, self.stage = plan, condition, n, stage
        shape = (plan.features[-1], *plan.sizes[-1])
        first = [Mean(width, hidden)] if hidden else []
        self.entry = nn.ModuleList([*first, Start(hidden or width, shape)])
        here = plan.sizes[stage]
        self.place = nn.Linear(width, plan.features[stage] * (here[0] * here[1] // n))
        last = len(plan.strides) - 1
        self.ups = nn.ModuleList(
            Up(
                plan.features[i + 1],
                plan.features[i],
                plan.strides[i],
                plan.sizes[i],
                i == last or not hidden,
            )
            for i in range(last, -1, -1)
        )
        he(self)
        nn.init.xavier_normal_(self.ups[-1].conv.weight)  # type: ignore[union-attr,arg-type]
        self.films = nn.ModuleList()
        if condition:
            self.films.extend(nn.Linear(condition, 2 * f) for f in plan.features[:0:-1])

    @property
    def layers(self) -> list[nn.Module]:
        """In order, what an unconditional code of one token passes."""
        return [*self.entry, *self.ups]

    def forward(self, code: Code, condition: Code | None = None) -> Tensor:
        style = check_condition(condition, self.condition)
        x: Tensor = through(self.entry, code)
        last = len(self.ups)
        for i, up in enumerate(self.ups):
            if last - i == self.stage and code.tokens.shape[1] > 1:
                x = x + self.places(code)
            if style is not None:
                scale, shift = self.films[i](style)[:, :, None, None].chunk(2, 1)
                x = x * (1 + scale) + shift
            x = up(x)
        return x

    def places(self, code: Code) -> Tensor:
        """What each token adds: ``[b n d]`` -> ``[b C h w]`` at the stage's map, row by row."""
        h, w = self.plan.sizes[self.stage]
        mask = code.mask
        if not code.placed or code.tokens.shape[1] != self.n:
            if mask is not None:
                mask = (mask.sum(1) > 1)[:, None]
            code = spread(code, self.n)
        x: Tensor = self.place(code.tokens)
        if mask is not None:
            x = x * mask[..., None].to(x.dtype)
        b, n = x.shape[:2]
        x = x.view(b, n, -1, h * w // n).transpose(1, 2)
        return x.reshape(b, -1, h, w)
