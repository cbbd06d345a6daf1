"""The speech's ends: convolutional over the spectrogram of one window.

Every signal is first laid into the window of t frames, padding set to silence, so that an
item's output depends neither on the batch nor on how far the batch was padded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.code import Code
from ...core.critics import Critic
from ...core.decoders import ConvDecoder
from ...core.errors import DataError
from ...core.signal import Signal
from ...core.subnets import ConvPrenet, Plan, halvings, squash

STRIDE = 4  # frames to a token of a sequence
STAGES = 2  # halvings of time that make the stride


def window(signal: Signal, size: tuple[int, int]) -> Tensor:
    """Values ``[b 1 t f]`` at exactly ``size`` = (t, f), silence (0) where nothing is real.

    Raises:
        DataError: another number of mel bins, or more frames than the window has.
    """
    values = signal.values
    t, f = size
    if values.ndim != 3 or values.shape[2] != f or values.shape[1] > t:
        raise DataError(
            f"a speech signal is [b t f] with t <= {t} frames and f = {f} mel bins, "
            f"not {tuple(values.shape)}"
        )
    if signal.lengths is not None:
        values = values * signal.mask()[..., None].to(values.dtype)
    return F.pad(values, (0, 0, 0, t - values.shape[1]))[:, None]


class SpeechPrenet(nn.Module):
    """``Signal`` ``[b t f]`` -> ``Code``: one token, or one for every ``STRIDE`` frames.

    A token of the sequence is real where its first frame is.
    """

    def __init__(self, size: tuple[int, int], width: int, pooled: bool) -> None:
        super().__init__()
        self.size, self.pooled = size, pooled
        plan = Plan(1, size, None if pooled else (STAGES, halvings(size[1])))
        self.net = ConvPrenet(plan, width, 1 if pooled else plan.sizes[-1][0])

    def forward(self, signal: Signal) -> Code:
        tokens = self.net(window(signal, self.size))
        if self.pooled:
            return Code(tokens)
        frames = torch.arange(tokens.shape[1], device=tokens.device) * STRIDE
        lengths = signal.lengths
        if lengths is None:
            lengths = torch.full_like(frames[:1], signal.values.shape[1]).expand(len(signal))
        return Code(tokens, frames < lengths[:, None], placed=True)


class Window(nn.Module):
    """Logits ``[b 1 t f]`` -> ``Signal`` ``[b t f]`` in [0, 1], t the whole window."""

    def forward(self, x: Tensor) -> Signal:
        values = squash(x)[:, 0]
        return Signal(values, torch.full((len(x),), values.shape[1], device=x.device))


class Windowed(nn.Module):
    """``Signal`` -> values ``[b 1 t f]`` in the window."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, signal: Signal) -> Tensor:
        return window(signal, self.size)


class SpeechGenerator(nn.Module):
    """``Code`` -> ``Signal`` ``[b t f]`` in [0, 1], t the whole window, float32 under any autocast.

    A placed code of one token for every ``STRIDE`` frames of the window gives each its own
    place, and its mask the lengths; with any other (see ``ConvDecoder``) every length is t: the
    clip's end is then heard in the values (``Speech.split`` finds it).
    """

    def __init__(self, size: tuple[int, int], width: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.size = size
        halve = (max(STAGES, halvings(size[0])), max(STAGES, halvings(size[1])))
        plan = Plan(1, size, halve)
        self.n = plan.sizes[STAGES][0]
        self.net = ConvDecoder(plan, width, condition, n=self.n, stage=STAGES, hidden=hidden)

    @property
    def layers(self) -> list[nn.Module]:
        """In order, from a code of one token to the signal."""
        *inner, last = self.net.layers
        return [*inner, nn.Sequential(last, Window())]

    def forward(self, code: Code, condition: Code | None = None) -> Signal:
        values = squash(self.net(code, condition))[:, 0]
        t = self.size[0]
        if code.mask is None or not code.placed or code.tokens.shape[1] != self.n:
            return Signal(values, torch.full((len(code),), t, device=values.device))
        made = Signal(values, (code.mask.sum(1) * STRIDE).clamp(1, t))
        return Signal(values * made.mask()[..., None], made.lengths)


class SpeechDiscriminator(nn.Module):
    """``Signal`` (and a condition ``Code``) -> logits ``[b]``."""

    def __init__(self, size: tuple[int, int], condition: int, base: int) -> None:
        super().__init__()
        self.size = size
        self.net = Critic(Plan(1, size, base=base), condition)

    @property
    def layers(self) -> list[nn.Module]:
        """In order, from the signal to features ``[b d]``, the last but one, to logits."""
        first, *rest = self.net.layers
        return [nn.Sequential(Windowed(self.size), first), *rest]

    def forward(self, signal: Signal, condition: Code | None = None) -> Tensor:
        logits: Tensor = self.net(window(signal, self.size), condition)
        return logits
