"""Speech: waveforms of at most one window, learned as log-mel spectrograms."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from ...core.config import check_choice, check_flag, check_number
from ...core.critics import JointCritic
from ...core.errors import DataError
from ...core.modality import Metric, Modality, Preview
from ...core.sequences.attention import KINDS
from ...core.signal import Signal
from ...core.sound.files import FORMATS, read_sound, resample, trim, write_sound
from ...core.sound.mel import Mel, mel_settings
from ...core.sound.phase import invert
from ...core.sound.picture import spectrogram_picture
from ...core.sound.waves import waveform
from ...core.subnets import Plan
from .augment import augment
from .metrics import log_mel_distance, mel_cepstral_distance, pitch, spectral_convergence
from .sequence import SequenceDiscriminator, SequenceGenerator, SequencePrenet, sequence_loss
from .subnets import SpeechDiscriminator, SpeechGenerator, SpeechPrenet, Windowed

SILENT = 1e-4  # peak amplitude (-80 dB) of a clip that holds nothing
QUIET = 0.08  # a frame with no bin above this (6 dB over the floor) is silence to ``split``
CHUNK = 64  # clips transformed at once


class Speech(Modality):
    """Waveforms ``[t]`` in [-1, 1]; a signal holds them as log-mels ``[b t f]`` and lengths.

    An item is a waveform taken at ``sample_rate``, or a pair (waveform, its rate in hertz);
    int16 is read as [-1, 1]. Every clip is trimmed, scaled to a peak of 1, and cut at
    the window. A signal's values are 0 at silence and about 1 at the loudest, one unit being
    75 dB (``mel.Mel`` gives the formula); padding is silence.

    Its subnets have two forms. By default they are convolutions over the picture of the whole
    window, right for single words. With ``reduction`` they read and make one frame after
    another (``sequence``), as sentences need: a prenet of convolutions and a GRU in either
    direction, a decoder that attends to its code and says when it stops, and a discriminator
    that reads any length.

    ``published["m3d-gan"]`` has the second form, which has that paper's sizes (sec. 4) already.
    Of sound it says only that it is mels, so the rest are Tacotron's: frames of 50 ms, 12.5 apart,
    5 a step and additive attention (Wang et al. 2017, and keithito's code).

    Args:
        sample_rate: in hertz, 4,000 to 48,000.
        seconds: length of the window, 0.1 to 60; what lies past it is cut, with a warning.
        n_fft: window of the transform in samples; by default the power of two from 40 ms up.
        hop: samples between frames, n_fft over a whole number of at least 2; by default a
            quarter of n_fft.
        mels: bins, 8 to n_fft / 8; by default 40 up to 8 kHz, 80 above (or n_fft / 8).
        trim: decibels below the loudest frame at which both ends are cut off; None keeps all.
        normalise: whether each clip is scaled to a peak of 1.
        augmentation: strength of ``augment``; 0 for none.
        std: of the Normal likelihood of a mel bin, in units of the values.
        hidden: width of the generator's hidden layer; 0, for adversarial training, leaves it out
            (``core.decoders.ConvDecoder``).
        critic: features of the discriminator's first map, doubling from map to map; 0 for one
            without convolutions (``core.critics.Critic``).
        reduction: frames the generator makes in a step, 1 to 16; 0 for the form over the window,
            which ``hidden`` and ``critic`` are for.
        stride: with ``reduction``, frames to a token of the prenet: 1, 2 or 4.
        dropped: with ``reduction``, share of the frames it is told in training that are silenced.
        attention: with ``reduction``, kind of the generator's (``core.sequences.attention``).

    Raises:
        SettingError: a setting is of the wrong type or out of its range.
    """

    name: ClassVar[str] = "speech"
    units: ClassVar[str] = "amplitudes in [-1, 1]"
    suffixes: ClassVar[tuple[str, ...]] = tuple(FORMATS)
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "m3d-gan": {
            "sample_rate": 20_000, "n_fft": 1000, "hop": 250, "mels": 80,
            "augmentation": 0.0, "reduction": 5, "dropped": 0.0, "attention": "additive",
        },
    }  # fmt: skip

    def __init__(
        self,
        sample_rate: int = 8000,
        seconds: float = 1.0,
        n_fft: int | None = None,
        hop: int | None = None,
        mels: int | None = None,
        trim: float | None = 30.0,
        normalise: bool = True,
        augmentation: float = 1.0,
        std: float = 0.1,
        hidden: int = 512,
        critic: int = 32,
        reduction: int = 0,
        stride: int = 2,
        dropped: float = 0.2,
        attention: str = "location",
    ) -> None:
        check_number("speech", "sample_rate", sample_rate, 4000, 48000, integer=True)
        check_number("speech", "seconds", seconds, 0.1, 60)
        n_fft, hop, mels = mel_settings("speech", sample_rate, n_fft, hop, mels)
        if trim is not None:
            check_number("speech", "trim", trim, 1, 120)
        check_flag("speech", "normalise", normalise)
        check_number("speech", "augmentation", augmentation, 0, 3)
        check_number("speech", "std", std, 1e-3, 10)
        check_number("speech", "hidden", hidden, 0, 4096, integer=True)
        check_number("speech", "critic", critic, 0, 512, integer=True)
        check_number("speech", "reduction", reduction, 0, 16, integer=True)
        check_choice("speech", "stride", stride, (1, 2, 4))
        check_number("speech", "dropped", dropped, 0, 0.9)
        check_choice("speech", "attention", attention, tuple(KINDS))
        self.sample_rate = sample_rate
        self.seconds = seconds
        self.n_fft = n_fft
        self.hop = hop
        self.mels = mels
        self.trim = trim
        self.normalise = normalise
        self.augmentation = augmentation
        self.std = std
        self.hidden, self.critic = hidden, critic
        self.reduction, self.stride, self.dropped = reduction, stride, dropped
        self.attention = attention
        self.mel = Mel(sample_rate, n_fft, hop, mels)

    @property
    def samples(self) -> int:
        """Length of the window in samples."""
        return round(self.seconds * self.sample_rate)

    @property
    def frames(self) -> int:
        """Length of the window in frames, t."""
        return 1 + self.samples // self.hop

    # -- data ---------------------------------------------------------------
    def read(self, path: Path) -> Tensor:
        """The waveform ``[t]`` in a file, channels averaged, at this modality's rate."""
        return read_sound(Path(path), self.sample_rate)

    def write(self, item: Any, path: Path) -> None:
        """Put a waveform into a WAV or FLAC file of 16 bits."""
        write_sound(self._wave(item, 0), Path(path), self.sample_rate)

    def resample(self, wave: Tensor, rate: int) -> Tensor:
        """A waveform taken at ``rate`` hertz, at this modality's rate; int16 is read as [-1, 1].

        Raises:
            DataError: it is no waveform of finite numbers.
            SettingError: rate is no number of at least 1.
        """
        return resample(waveform(wave, 0, self.name, rate), rate, self.sample_rate)

    def collate(self, items: Sequence[Any]) -> Signal:
        """Items as one batch of log-mels over the whole window, on the CPU.

        Raises:
            DataError: an item of another rate or shape, empty, silent, not finite or beyond
                [-1, 1]; says which.
        """
        if not len(items):
            raise DataError("speech: no items to collate; give at least one")
        waves = [self._prepared(item, i) for i, item in enumerate(items)]
        longest = max(len(wave) for wave in waves)
        if longest > self.samples:
            late = sum(len(wave) > self.samples for wave in waves)
            warnings.warn(
                f"speech: {late} of {len(waves)} clips are longer than the window of "
                f"{self.seconds:g} s and were cut (the longest: "
                f"{longest / self.sample_rate:.2f} s)",
                stacklevel=2,
            )
        waves = [wave[: self.samples] for wave in waves]
        lengths = torch.tensor([1 + len(wave) // self.hop for wave in waves])
        values = torch.cat(
            [self._log_mels(waves[i : i + CHUNK]) for i in range(0, len(waves), CHUNK)]
        )
        signal = Signal(values, lengths)
        return Signal(values * signal.mask()[..., None], lengths)

    def _log_mels(self, waves: Sequence[Tensor]) -> Tensor:
        """``[b t f]`` of waveforms laid into the window."""
        padded = pad_sequence([*waves, waves[0].new_zeros(self.samples)], batch_first=True)
        return self.mel(padded[:-1])

    def _wave(self, item: Any, i: int) -> Tensor:
        """One item as a float waveform, checked."""
        return waveform(item, i, self.name, self.sample_rate)

    def _prepared(self, item: Any, i: int) -> Tensor:
        """One item trimmed, and scaled or checked against [-1, 1]."""
        wave = self._wave(item, i)
        peak = wave.abs().max().item()
        if peak < SILENT:
            raise DataError(f"speech: item {i} is silent (its peak is {peak:g}); leave it out")
        if self.trim is not None:
            wave = trim(wave, self.trim, self.n_fft, self.hop)
        if self.normalise:
            return wave / wave.abs().max()
        if peak > 1.01:
            raise DataError(
                f"speech: item {i} peaks at {peak:g}; scale it to [-1, 1] or set normalise"
            )
        return wave

    def split(self, signal: Signal) -> list[Tensor]:
        """Waveforms on the CPU, phases by Griffin-Lim, silence at the end cut off."""
        values = signal.values.detach().float()
        loud = (values.amax(2) > QUIET) & signal.mask()
        places = torch.arange(1, values.shape[1] + 1, device=values.device)
        frames = (loud * places).amax(1).clamp(min=2).tolist()
        values = F.pad(values * signal.mask()[..., None], (0, 0, 0, max(0, 2 - values.shape[1])))
        waves = invert(values, self.mel).cpu()
        if self.normalise:
            waves = waves / waves.abs().amax(1, keepdim=True).clamp(min=1.0)
        pairs = zip(waves, frames, strict=True)
        return [wave[: (n - 1) * self.hop].clone() for wave, n in pairs]

    def preview(self, item: Any) -> Preview:
        """The log-mel as a picture, time to the right and pitch upwards, and the sound."""
        wave = self._wave(item, 0)
        values = self.mel(wave[None, : self.samples])[0]
        return Preview(spectrogram_picture(values), wave.clamp(-1, 1), self.sample_rate)

    def pitch(self, item: Any) -> tuple[Tensor, Tensor]:
        """Fundamental frequency ``[t]`` in hertz (0 where unvoiced) and where there is voice."""
        return pitch(self._wave(item, 0), self.sample_rate)

    def augment(self, signal: Signal, generator: torch.Generator) -> Signal:
        """Tempo, time shift, vocal tract, tone, gain and noise; ``augment`` says how much."""
        if self.augmentation == 0:
            return signal
        with torch.autocast(signal.values.device.type, enabled=False):
            return augment(signal, self.mel, self.augmentation, generator)

    # -- subnets ------------------------------------------------------------
    def prenet(self, width: int, *, pooled: bool = False) -> nn.Module:
        """``Signal`` -> ``Code``: one token, or one for every few frames.

        Four, or with ``reduction`` the ``stride``.
        """
        if self.reduction:
            return SequencePrenet(self.mels, width, pooled, self.stride)
        return SpeechPrenet((self.frames, self.mels), width, pooled)

    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        """``Code`` -> ``Signal`` of the whole window, or as long as it takes (``reduction``)."""
        size = (self.frames, self.mels)
        if self.reduction:
            how = self.reduction, self.dropped, self.attention
            return SequenceGenerator(size, width, condition, *how)
        return SpeechGenerator(size, width, condition, self.hidden)

    def discriminator(self, *, condition: int = 0) -> nn.Module:
        if self.reduction:
            return SequenceDiscriminator(self.mels, condition)
        return SpeechDiscriminator((self.frames, self.mels), condition, self.critic)

    def joint_discriminator(self, count: int) -> nn.Module:
        size = (self.frames, self.mels)
        return JointCritic(Windowed(size), Plan(count, size, base=self.critic))

    # -- learning -----------------------------------------------------------
    def reconstruction(self, made: Signal, real: Signal) -> Tensor:
        """``sum (made - real)^2 / (2 std^2)`` over the whole window, ``[b]`` nats.

        Padding counts: it is silence, and a model must learn where a clip ends. With
        ``reduction`` it is ``sequence_loss``, of a Laplace likelihood.
        """
        if self.reduction:
            return sequence_loss(made, real, self.std)
        error = made.values.float() - real.values.float()
        return error.square().flatten(1).sum(1) / (2 * self.std**2)

    def counted(self, real: Signal) -> Tensor:
        """``[b]``: the numbers of the window, or with ``reduction`` of the clip's own frames."""
        return super().counted(Signal(real.values, real.lengths if self.reduction else None))

    def metrics(self) -> Mapping[str, Metric]:
        """Distances in decibels, and the spectral convergence of mel amplitudes."""
        return {
            "log_mel_db": log_mel_distance,
            "mel_cepstral_db": mel_cepstral_distance,
            "spectral_convergence": partial(spectral_convergence, self.mel),
        }
