"""Audio: sound of any kind, learned as pictures of one window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.config import check_choice, check_flag, check_number
from ...core.critics import JointCritic
from ...core.errors import DataError, SettingError
from ...core.modality import Metric, Modality, Preview
from ...core.signal import Signal
from ...core.sound.files import FORMATS, read_sound, resample, write_sound
from ...core.sound.mel import Mel, mel_settings
from ...core.sound.waves import waveform
from ...core.subnets import Plan
from .raster import Raster
from .spectrum import Spectrum
from .subnets import AudioDiscriminator, AudioGenerator, AudioPrenet, Picture

SILENT = 1e-4  # peak amplitude (-80 dB) of a window that holds nothing
NEAR = 0.99  # of the loudest window's energy: as loud as it
SHIFT = 0.05  # of the window, augment's largest
GAIN = 3.0  # decibels, augment's largest
CHUNK = 64  # windows drawn at once


class Audio(Modality):
    """Waveforms ``[t]`` in [-1, 1]; a signal holds a window of each as a picture ``[b 1 h w]``.

    An item is a waveform taken at ``sample_rate``, or a pair (waveform, its rate in hertz);
    int16 is read as [-1, 1]. A shorter one is padded with silence at its end, of a longer one
    a window is taken (``window``); all windows are of one length, so signals have no lengths.
    Either picture has time to the right, and 0 for nothing:

    - ``mel``: the log-mel of ``seconds``, mels by frames (``spectrum.Spectrum``).
    - ``raster``: the curve of a window of ``samples``, kept at ``points`` instants and drawn
      over ``bins`` amplitudes (``raster.Raster``).

    The raster is SyncGAN's (sec. 3.1, Fig. 4: 512 samples down-sampled to 128, "transformed to
    a 2D form" of 64 x 128). The paper says no more of that form, and no code for it was
    published; a picture of amplitudes by time is the reading that fits the sizes. Ours departs:
    soft bumps instead of one pixel a column, so that a sample comes back to a fraction of a
    bin; samples dropped after a low pass, by cosines; one window of a clip, always the same,
    where the paper clips at random (``windows`` gives all of them); windows scaled to a peak
    of 1. Nor does it give a sample rate: at 16 kHz its 512 samples are 32 ms, in which tones
    above some 500 Hz fall into dots; fewer ``samples`` make a smoother curve.

    Args:
        form: "mel" or "raster".
        sample_rate: in hertz, 4,000 to 48,000.
        window: of clips that are longer, "first" takes the beginning, and "loudest" the window
            of most energy among those half a window apart, the earliest of equals (1 %).
        normalise: whether each window is scaled to a peak of 1.
        seconds: mel: length of the window, 0.1 to 60, n_fft samples or more.
        n_fft: mel: window of the transform in samples; by default as ``mel_settings`` chooses.
        hop: mel: samples between frames.
        mels: mel: bins, 8 to n_fft / 8.
        samples: raster: length of the window, 16 to 16,384.
        points: raster: instants kept of a window, 16 to ``samples`` and 1,024.
        bins: raster: of amplitude, 16 to 256.
        spread: raster: standard deviation of a bump in bins, 0.5 to bins / 16.
        augmentation: strength of ``augment``; 0 for none.
        std: of the Normal likelihood of a pixel, in units of the values.
        hidden: width of the generator's hidden layer; 0, for adversarial training, leaves it out
            (``core.decoders.ConvDecoder``).
        critic: features of the discriminator's first map, doubling from map to map; 0 for one
            without convolutions (``core.critics.Critic``).

    Raises:
        SettingError: a setting is of the wrong type or out of its range.
    """

    name: ClassVar[str] = "audio"
    units: ClassVar[str] = "amplitudes in [-1, 1]"
    suffixes: ClassVar[tuple[str, ...]] = tuple(FORMATS)

    def __init__(
        self,
        form: Literal["mel", "raster"] = "mel",
        sample_rate: int = 16000,
        window: Literal["first", "loudest"] = "loudest",
        normalise: bool = True,
        seconds: float = 1.0,
        n_fft: int | None = None,
        hop: int | None = None,
        mels: int | None = None,
        samples: int = 512,
        points: int = 128,
        bins: int = 64,
        spread: float = 1.0,
        augmentation: float = 1.0,
        std: float = 0.1,
        hidden: int = 512,
        critic: int = 32,
    ) -> None:
        check_choice("audio", "form", form, ("mel", "raster"))
        check_number("audio", "sample_rate", sample_rate, 4000, 48000, integer=True)
        check_choice("audio", "window", window, ("first", "loudest"))
        check_flag("audio", "normalise", normalise)
        check_number("audio", "seconds", seconds, 0.1, 60)
        n_fft, hop, mels = mel_settings("audio", sample_rate, n_fft, hop, mels)
        if form == "mel" and round(seconds * sample_rate) < n_fft:
            raise SettingError(
                f"audio: {seconds:g} s are {round(seconds * sample_rate)} samples, fewer than "
                f"n_fft ({n_fft}); take more seconds or a smaller n_fft"
            )
        check_number("audio", "samples", samples, 16, 16384, integer=True)
        check_number("audio", "points", points, 16, min(samples, 1024), integer=True)
        check_number("audio", "bins", bins, 16, 256, integer=True)
        check_number("audio", "spread", spread, 0.5, bins / 16)
        check_number("audio", "augmentation", augmentation, 0, 3)
        check_number("audio", "std", std, 1e-3, 10)
        check_number("audio", "hidden", hidden, 0, 4096, integer=True)
        check_number("audio", "critic", critic, 0, 512, integer=True)
        self.form: Literal["mel", "raster"] = form
        self.sample_rate = sample_rate
        self.window: Literal["first", "loudest"] = window
        self.normalise = normalise
        self.seconds, self.n_fft, self.hop, self.mels = seconds, n_fft, hop, mels
        self.samples, self.points, self.bins, self.spread = samples, points, bins, spread
        self.augmentation = augmentation
        self.std = std
        self.hidden, self.critic = hidden, critic
        self.drawing: Spectrum | Raster = (
            Raster(samples, points, bins, spread)
            if form == "raster"
            else Spectrum(round(seconds * sample_rate), Mel(sample_rate, n_fft, hop, mels))
        )

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the picture."""
        return self.drawing.size

    # -- data ---------------------------------------------------------------
    def read(self, path: Path) -> Tensor:
        """The waveform ``[t]`` in a file, channels averaged, at this modality's rate."""
        return read_sound(Path(path), self.sample_rate)

    def write(self, item: Any, path: Path) -> None:
        """Put a waveform into a WAV or FLAC file of 16 bits."""
        wave = waveform(item, 0, self.name, self.sample_rate)
        write_sound(wave, Path(path), self.sample_rate)

    def resample(self, wave: Tensor, rate: int) -> Tensor:
        """A waveform taken at ``rate`` hertz, at this modality's rate; int16 is read as [-1, 1].

        Raises:
            DataError: it is no waveform of finite numbers.
            SettingError: rate is no number of at least 1.
        """
        return resample(waveform(wave, 0, self.name, rate), rate, self.sample_rate)

    def windows(self, item: Any, hop: int | None = None) -> list[Tensor]:
        """The windows of a clip, ``hop`` samples apart (half a window), but for silent ones.

        The last one is padded with silence where the clip ends. Each is an item.

        Raises:
            DataError: the clip is no waveform of finite numbers.
            SettingError: hop is no whole number of at least 1.
        """
        if hop is not None:
            check_number("audio", "hop", hop, 1, integer=True)
        wave = waveform(item, 0, self.name, self.sample_rate)
        return [w.clone() for w in self._windows(wave, hop) if w.abs().max() >= SILENT]

    def _windows(self, wave: Tensor, hop: int | None = None) -> Tensor:
        """``[k n]``, as many as cover the wave."""
        n = self.drawing.samples
        hop = hop or max(1, n // 2)
        count = 1 + max(0, -(-(len(wave) - n) // hop))
        return F.pad(wave, (0, max(0, (count - 1) * hop + n - len(wave)))).unfold(0, n, hop)

    def _window(self, item: Any, i: int) -> Tensor:
        """One item, checked, as what is drawn of its window."""
        wave = waveform(item, i, self.name, self.sample_rate)
        if len(wave) < self.drawing.shortest:
            raise DataError(
                f"audio: item {i} has {len(wave)} samples, fewer than {self.drawing.shortest}, "
                f"too few for a window of {self.drawing.samples}; leave it out"
            )
        windows = self._windows(wave)
        if self.window == "first":
            windows = windows[:1]
        energy = windows.double().square().sum(1)
        # near ties go to the earliest, so that rounding in a file does not move the window
        best = int((energy >= NEAR * energy.max()).byte().argmax())
        return self.drawing.reduce(windows[best : best + 1])[0]

    def collate(self, items: Sequence[Any]) -> Signal:
        """Items as one batch of pictures ``[b 1 h w]``, on the CPU.

        Raises:
            DataError: an item of another rate or shape, too short, silent in its window, not
                finite or beyond [-1, 1]; says which.
        """
        if not len(items):
            raise DataError("audio: no items to collate; give at least one")
        waves = torch.stack([self._levelled(item, i) for i, item in enumerate(items)])
        return Signal(torch.cat([self.drawing.draw(part) for part in waves.split(CHUNK)]))

    def _levelled(self, item: Any, i: int) -> Tensor:
        """The window of one item scaled, or checked against [-1, 1]."""
        wave = self._window(item, i)
        peak = wave.abs().max().item()
        if peak < SILENT:
            raise DataError(
                f"audio: item {i} is silent (the peak of its window is {peak:g}); leave it out"
                + ("" if self.window == "loudest" else ", or set window to 'loudest'")
            )
        if self.normalise:
            return wave / peak
        if waveform(item, i, self.name, self.sample_rate).abs().max() > 1.01:
            raise DataError(f"audio: item {i} goes beyond [-1, 1]; scale it or set normalise")
        return wave

    def split(self, signal: Signal) -> list[Tensor]:
        """Waveforms of one window each, on the CPU: read off the curve, or by Griffin-Lim."""
        waves = self.drawing.waves(signal.values.detach().float())
        return [self._quiet(wave).clone() for wave in waves]

    def _quiet(self, wave: Tensor) -> Tensor:
        """A waveform brought into [-1, 1], scaled where scale says nothing and else cut."""
        if self.normalise:
            return wave / wave.abs().max().clamp(min=1.0)
        return wave.clamp(-1, 1)

    def preview(self, item: Any) -> Preview:
        """The picture of the item's window, and its sound (the raster's over and over)."""
        wave = self._window(item, 0)
        peak = wave.abs().max()
        if self.normalise and peak >= SILENT:
            wave = wave / peak
        sound = self._quiet(self.drawing.sound(wave, self.sample_rate))
        return Preview(self.drawing.picture(wave), sound, self.sample_rate)

    def augment(self, signal: Signal, generator: torch.Generator) -> Signal:
        """Up to 5 % of the window earlier or later, and 3 dB of level, at a strength of 1.

        The raster's level only falls, for its curve may fill the picture.
        """
        if self.augmentation == 0:
            return signal
        values = signal.values
        draw = torch.rand(len(signal), 2, generator=generator, device=generator.device)
        draw = (draw.to(values.device) * 2 - 1) * self.augmentation
        with torch.autocast(values.device.type, enabled=False):
            moved = self.drawing.move(values.float(), draw[:, 0] * SHIFT, draw[:, 1] * GAIN)
        return Signal(moved.to(values.dtype))

    # -- subnets ------------------------------------------------------------
    def prenet(self, width: int, *, pooled: bool = False) -> nn.Module:
        """``Signal`` -> ``Code``: one token, or a token for each position of the innermost map."""
        return AudioPrenet(self.size, width, pooled)

    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        """``Code`` -> ``Signal`` in [0, 1]; ``core.decoders.ConvDecoder`` says how tokens enter."""
        return AudioGenerator(self.size, width, condition, self.hidden)

    def discriminator(self, *, condition: int = 0) -> nn.Module:
        return AudioDiscriminator(self.size, condition, self.critic)

    def joint_discriminator(self, count: int) -> nn.Module:
        return JointCritic(Picture(self.size), Plan(count, self.size, base=self.critic))

    # -- learning -----------------------------------------------------------
    def reconstruction(self, made: Signal, real: Signal) -> Tensor:
        """``sum (made - real)^2 / (2 std^2)`` over the picture, ``[b]`` nats."""
        error = made.values.float() - real.values.float()
        return error.square().flatten(1).sum(1) / (2 * self.std**2)

    def metrics(self) -> Mapping[str, Metric]:
        """The drawing's: of log-mels, or of the curve and its spectra."""
        return self.drawing.metrics()
