"""The speech's ends as a sequence: frames read in order, and made step by step.

Every number depends on an item's own frames alone: what lies past an item's end is set to
silence before each convolution, and the recurrent units do not enter it. So an item's output
does not depend on how far its batch was padded.

Shapes: b batch, t frames, f mel bins, n = ceil(t / stride) tokens, d width of a code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.code import Code
from ...core.critics import Logit
from ...core.errors import DataError
from ...core.sequences.decoder import AttentionDecoder
from ...core.sequences.gru import GRU, exact
from ...core.sequences.taught import Taught
from ...core.signal import Signal
from ...core.subnets import check_condition, he

CHANNELS = 32  # of the prenet's maps
JUDGED = (32, 64, 128)  # channels of the discriminator's maps
OVER = 2  # steps taught past an item's end, where it has stopped


def frames(signal: Signal, mels: int) -> Signal:
    """The signal up to its longest item's end, its values ``[b t f]`` silent (0) at padding.

    Raises:
        DataError: values of another shape.
    """
    values, lengths = signal.values, signal.lengths
    if values.ndim != 3 or values.shape[2] != mels:
        raise DataError(
            f"a speech signal is [b t f] with f = {mels} mel bins, not {tuple(values.shape)}"
        )
    if lengths is None:
        lengths = torch.full((len(values),), values.shape[1], device=values.device)
    cut = Signal(values, lengths).trimmed()
    return Signal(cut.values * cut.mask()[..., None].to(values.dtype), lengths)


class Maps(nn.Module):
    """Frames -> maps ``[b c t' f']``: 3 x 3 convolutions and leaky ReLUs, 0 past an item's end.

    Args:
        channels: of each map.
        strides: (time, mel) of each.
        mels: f.
        slope: of the leaky ReLUs.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        strides: tuple[tuple[int, int], ...],
        mels: int,
        slope: float,
    ) -> None:
        super().__init__()
        self.mels, self.slope = mels, slope
        self.convs = nn.ModuleList(
            nn.Conv2d(c, d, 3, stride, 1)
            for c, d, stride in zip((1, *channels), channels, strides, strict=False)
        )
        he(self, slope)
        for _, bins in strides:
            mels = -(-mels // bins)
        self.features = channels[-1] * mels

    def forward(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """Features ``[b t' c*f']`` and which of their positions are real ``[b t']``."""
        signal = frames(signal, self.mels)
        x, mask = signal.values[:, None], signal.mask()
        for conv in self.convs:
            assert isinstance(conv, nn.Conv2d)
            x = F.leaky_relu(conv(x), self.slope)
            mask = mask[:, :: conv.stride[0]]
            x = x * mask[:, None, :, None].to(x.dtype)
        return x.transpose(1, 2).flatten(2), mask


class SequencePrenet(nn.Module):
    """``Signal`` -> ``Code``: a token for every ``stride`` frames, or their mean as the only one.

    Two convolutions of 32 channels (M3D-GAN, section 4); then, that a token may know its
    neighbourhood as a text's do, what a CBHG ends in: a GRU in either direction. A token is real
    where its first frame is.

    Args:
        mels: f.
        width: d of the code.
        pooled: whether to make one token.
        stride: frames to a token, 1, 2 or 4.
    """

    def __init__(self, mels: int, width: int, pooled: bool, stride: int) -> None:
        super().__init__()
        self.pooled = pooled
        strides = ((min(2, stride), 2), (stride // min(2, stride), 2))
        self.maps = Maps((CHANNELS, CHANNELS), strides, mels, 0.0)
        self.enter = nn.Linear(self.maps.features, width)
        self.ahead = GRU(width, width)
        self.back = GRU(width, width, backward=True)
        self.head = nn.Linear(2 * width, width)

    def forward(self, signal: Signal) -> Code:
        x, mask = self.maps(signal)
        x = F.relu(self.enter(x))
        x = torch.cat([self.ahead(x, mask), self.back(x, mask)], 2)
        if not self.pooled:
            return Code(exact(self.head(x)), mask)
        real = mask[..., None].to(x.dtype)
        return Code.of(exact(self.head((x * real).sum(1) / real.sum(1))))


class SequenceGenerator(nn.Module):
    """``Code`` -> ``Taught`` ``[b t f]``: ``core.sequences.decoder.AttentionDecoder`` of frames.

    Args:
        size: (t, f), t at most.
        width: d of the code.
        condition: width of the condition; 0 for none.
        reduction: frames made in a step.
        dropped: share of the frames it is told in training that are silenced, whole frames,
            so that it has to read its tokens.
        attention: kind of ``core.sequences.attention``.
    """

    def __init__(
        self,
        size: tuple[int, int],
        width: int,
        condition: int,
        reduction: int,
        dropped: float,
        attention: str,
    ) -> None:
        super().__init__()
        t, f = size
        self.mels, self.dropped = f, dropped
        self.decoder = AttentionDecoder(
            f, width, condition, attention=attention, reduction=reduction, longest=t
        )

    def teach(self, code: Code, target: Signal, condition: Code | None = None) -> Taught:
        """What is made when each step is told the target's frame before it.

        Its values end ``OVER`` steps after the longest target does.
        """
        told = frames(target, self.mels)
        past = -told.values.shape[1] % self.decoder.reduction + OVER * self.decoder.reduction
        told = Signal(F.pad(told.values, (0, 0, 0, past)), told.lengths)
        if self.training and self.dropped:
            kept = torch.rand(told.values.shape[:2], device=told.values.device) >= self.dropped
            told = Signal(told.values * kept[..., None], told.lengths)
        return self.decoder.teach(code, told, condition)

    def forward(self, code: Code, condition: Code | None = None) -> Taught:
        made: Taught = self.decoder(code, condition)
        return made


def sequence_loss(made: Signal, real: Signal, scale: float) -> Tensor:
    """``sum |made - real| / scale`` and, where steps were made, when to stop, ``[b]`` nats.

    A frame that only one of them has is held against silence. Stopping: cross-entropy of each
    step up to ``OVER`` past the item's end, whose truth is 1 from its last step on; a step
    weighs as much as the numbers it makes, as the means of both do in Tacotron 2 (Shen et al.
    2018, section 2.2, and its usual code).

    Args:
        made: in one or in many steps.
        real: the targets.
        scale: of the Laplace likelihood of a mel bin.
    """
    a, b = (x.values.float() * x.mask()[..., None] for x in (made, real))
    longest = max(a.shape[1], b.shape[1])
    a, b = (F.pad(x, (0, 0, 0, longest - x.shape[1])) for x in (a, b))
    nats = (a - b).abs().flatten(1).sum(1) / scale
    if not isinstance(made, Taught) or made.stops is None:
        return nats
    stops = made.stops.float()
    lengths = real.mask().sum(1)
    steps = -(-lengths // made.reduction)[:, None]
    place = torch.arange(stops.shape[1], device=stops.device)
    truth = (place >= steps - 1).to(stops.dtype)
    counted = place < steps + OVER
    wrong = F.binary_cross_entropy_with_logits(stops, truth, reduction="none") * counted
    return nats + wrong.sum(1) * (made.reduction * a.shape[2])


class SequenceDiscriminator(nn.Module):
    """``Signal`` (and a condition ``Code``) -> logits ``[b]``: maps, their mean, a projection.

    ``logit = w . h + (V y) . h`` (Miyato & Koyama 2018, eq. 3).
    """

    def __init__(self, mels: int, condition: int) -> None:
        super().__init__()
        self.condition = condition
        self.maps = Maps(JUDGED, ((2, 2),) * len(JUDGED), mels, 0.2)
        self.logit = Logit(self.maps.features)
        self.project = nn.Linear(condition, self.maps.features, bias=False) if condition else None

    def forward(self, signal: Signal, condition: Code | None = None) -> Tensor:
        style = check_condition(condition, self.condition)
        x, mask = self.maps(signal)
        real = mask[..., None].to(x.dtype)
        x = (x * real).sum(1) / real.sum(1)
        logits: Tensor = self.logit(x)
        if style is None or self.project is None:
            return logits
        match: Tensor = (self.project(style) * x).float().sum(1) / x.shape[1] ** 0.5
        return logits + match
