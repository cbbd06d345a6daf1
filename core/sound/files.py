"""Sound files, read and written by soundfile within limits, and what librosa does to waves."""

from __future__ import annotations

import io
import math
from numbers import Real
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..atomic import write_atomically
from ..errors import MediaError, SettingError

MAX_BYTES = 256 << 20  # of a file
MAX_SECONDS = 600.0  # of a clip
UNKNOWN = 0x7FFFF000  # bytes of data, and more: of a WAV stream
FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}
WRITES = (".wav", ".flac")


def read_sound(path: Path, sample_rate: int) -> Tensor:
    """A file's sound as a waveform ``[t]`` in [-1, 1]: channels averaged, resampled (soxr).

    Raises:
        MediaError: no such file, larger or longer than the limits, truncated, empty, no
            sound, or not finite.
    """
    import soundfile

    if not path.is_file():
        raise MediaError(f"{path}: no such file")
    if (weight := path.stat().st_size) > MAX_BYTES:
        raise MediaError(f"{path}: {weight:,} bytes, more than the limit of {MAX_BYTES:,}")
    try:
        with soundfile.SoundFile(path) as sound:
            rate, frames = sound.samplerate, sound.frames
            if frames > MAX_SECONDS * rate:
                raise MediaError(
                    f"{path}: {frames / rate:.0f} s, more than the limit of {MAX_SECONDS:.0f} s"
                )
            samples = sound.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f"{path}: not a readable sound ({error})") from error
    if len(samples) < frames or _cut_short(path):
        raise MediaError(f"{path}: truncated, {len(samples)} samples are left")
    if len(samples) == 0:
        raise MediaError(f"{path}: holds no samples")
    if not np.isfinite(samples).all():
        raise MediaError(f"{path}: has samples that are NaN or infinite")
    return resample(torch.from_numpy(samples.mean(1)), rate, sample_rate)


def _cut_short(path: Path) -> bool:
    """Whether a WAV or Ogg file ends before its data; libsndfile reads such files in silence."""
    with path.open("rb") as file:
        head, size = file.read(12), path.stat().st_size
        if head[:4] == b"OggS":
            file.seek(0)
            while len(head := file.read(27)) == 27 and head[:4] == b"OggS":
                file.seek(sum(file.read(head[26])), 1)  # a page: the lengths of its parts, and they
            return file.tell() > size
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                # streams of unknown length say 0, the largest number, or (SoX) one near half of it
                return 0 < length < UNKNOWN and file.tell() + length > size
            file.seek(length + length % 2, 1)
    return False


def resample(wave: Tensor, rate: int, sample_rate: int) -> Tensor:
    """A waveform ``[t]`` taken at ``rate`` hertz, at ``sample_rate`` (librosa, soxr_hq).

    Raises:
        SettingError: rate is no number of at least 1.
    """
    if not isinstance(rate, Real) or not 1 <= rate < math.inf:
        raise SettingError(f"a sound's rate is a number of hertz >= 1, not {rate!r}")
    if rate == sample_rate:
        return wave
    import librosa

    array = librosa.resample(wave.numpy(), orig_sr=rate, target_sr=sample_rate)
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def trim(wave: Tensor, decibels: float, n_fft: int, hop: int) -> Tensor:
    """A waveform without the silence at its ends: frames this far below the loudest (librosa)."""
    import librosa

    # librosa takes all frames below 1e-5 for one level, and squares what it hears: where the
    # threshold (of a frame of zeros but for the peak) is out of its reach, it hears another level
    threshold = wave.abs().max().item() / n_fft**0.5 * 10 ** (-decibels / 20)
    heard = wave if 2e-5 <= threshold <= 1e8 else wave * (2e-5 / (threshold or 1.0))
    _, (start, stop) = librosa.effects.trim(
        heard.numpy(), top_db=decibels, frame_length=n_fft, hop_length=hop
    )
    return wave[int(start) : int(stop)]


def write_sound(wave: Tensor, path: Path, sample_rate: int) -> None:
    """Put a waveform ``[t]`` into a WAV or FLAC file of 16 bits; beyond [-1, 1] it clips.

    Raises:
        MediaError: another suffix, or the file cannot be written.
    """
    import soundfile

    if path.suffix.lower() not in WRITES:
        raise MediaError(f"{path}: sound is written as one of {', '.join(WRITES)}")
    # rounded here: soundfile would cut the fraction off
    whole = (wave.detach().float().cpu() * 32768).round().clamp(-32768, 32767)
    samples = whole.to(torch.int16).numpy()
    buffer = io.BytesIO()
    form = FORMATS[path.suffix.lower()]
    soundfile.write(buffer, samples, sample_rate, subtype="PCM_16", format=form)
    write_atomically(path, buffer.getvalue())
