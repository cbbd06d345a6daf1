"""The contract of a modality."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.errors import DataError, MediaError, PluginError
from ...core.modality import Modality
from ...core.signal import Signal
from .clauses import check_finite, check_same, check_settings, clause, expect, refuses
from .subnets import check_subnets

SLACK = 0.1  # augment may leave the values' range by this share of its width (a gain in dB)


def check_modality(
    modality: Modality, items: Sequence[Any], *, width: int = 16, round_trip: float = 1e-5
) -> None:
    """Check everything a bridge, the kernel and the translator rely on.

    Args:
        modality: yours.
        items: at least two good items, of different lengths where length varies.
        width: of the codes the subnets are tried with.
        round_trip: how far ``collate(split(signal))`` may be from ``signal``: mean distance
            over the signal's mean absolute deviation. 0 to 1; for signals that keep only a
            part of an item (a spectrogram without phases) choose what listening allows.

    Raises:
        PluginError: naming the clause that is broken, what was expected and what was found.
    """
    subject = f"modality {getattr(modality, 'name', type(modality).__name__)!r}"
    if len(items) < 2:
        raise PluginError(f"the contract of a {subject} needs two items or more to run")
    with clause(subject, "facts and settings"):
        check_settings(modality, modality.name)
        expect(bool(modality.units), "units that say what the numbers mean", repr(modality.units))
        expect(
            bool(modality.suffixes) and all(s.startswith(".") for s in modality.suffixes),
            "suffixes such as '.png'",
            modality.suffixes,
        )
    with clause(subject, "collate"):
        signal = _collate(modality, items)
    with clause(subject, "collate refuses bad items"):
        _refusals(modality, items)
    with clause(subject, "round trip of collate and split"):
        _round_trip(modality, signal, round_trip)
    with clause(subject, "files"):
        _files(modality, items[0])
    with clause(subject, "preview"):
        _preview(modality, items[0])
    with clause(subject, "augment"):
        _augment(modality, signal)
    check_subnets(subject, modality, signal, width)
    with clause(subject, "metrics"):
        for name, metric in modality.metrics().items():
            score = metric(signal, signal)
            expect(isinstance(score, float), f"a float from {name!r}", repr(score))


def _collate(modality: Modality, items: Sequence[Any]) -> Signal:
    signal = modality.collate(items)
    expect(isinstance(signal, Signal), "a Signal", type(signal).__name__)
    expect(len(signal) == len(items), f"{len(items)} items", len(signal))
    expect(signal.values.device.type == "cpu", "a batch on the CPU", signal.values.device)
    check_finite(signal.values, "values")
    if signal.lengths is not None:
        longest = signal.values.shape[1]
        fits = bool(((signal.lengths > 0) & (signal.lengths <= longest)).all())
        expect(fits, f"lengths from 1 to {longest}", signal.lengths.tolist())
    again = modality.collate(items)
    check_same(signal.values, again.values, "the same values from the same items")
    return signal


def _refusals(modality: Modality, items: Sequence[Any]) -> None:
    refuses(lambda: modality.collate([]), DataError, "no items")
    refuses(lambda: modality.collate([object()]), DataError, "an object() as item")
    if hasattr(items[0], "__array__") and torch.as_tensor(items[0]).is_floating_point():
        bad = torch.full_like(torch.as_tensor(items[0]), float("nan"))
        refuses(lambda: modality.collate([items[0], bad]), DataError, "an item of NaN")


def _round_trip(modality: Modality, signal: Signal, tolerance: float) -> None:
    items = modality.split(signal)
    expect(len(items) == len(signal), f"{len(signal)} items", len(items))
    again = modality.collate(items)
    expect(
        again.values.shape == signal.values.shape,
        f"values {list(signal.values.shape)} back",
        list(again.values.shape),
    )
    expect((again.lengths is None) == (signal.lengths is None), "lengths back", again.lengths)
    if signal.lengths is not None and again.lengths is not None:
        expect(
            torch.equal(signal.lengths, again.lengths),
            f"lengths {signal.lengths.tolist()}",
            again.lengths.tolist(),
        )
    apart = _distance(again, signal)
    expect(apart <= tolerance, f"a relative distance of at most {tolerance:g}", f"{apart:g}")


def _distance(made: Signal, real: Signal) -> float:
    """Mean distance over the mean absolute deviation, on valid positions."""
    a, b = made.values.double(), real.values.double()
    if real.lengths is not None:
        mask = real.mask()
        a, b = a[mask], b[mask]
    spread = (b - b.mean()).abs().mean().clamp(min=1e-12)
    return float((a - b).abs().mean() / spread)


def _files(modality: Modality, item: Any) -> None:
    suffix = modality.suffixes[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"item{suffix}"
        modality.write(item, path)
        expect(path.is_file(), f"write to leave {path.name}", "no file")
        read, given = modality.collate([modality.read(path)]), modality.collate([item])
        expect(
            read.values.shape == given.values.shape,
            f"a signal {list(given.values.shape)} read back",
            list(read.values.shape),
        )
        apart = _distance(read, given)
        expect(apart <= 0.05, "the item written, within 0.05, read back", f"{apart:g} apart")
        wrong = Path(folder) / "item.no-such-suffix"
        refuses(lambda: modality.write(item, wrong), MediaError, "writing an unknown suffix")
        missing = Path(folder) / f"missing{suffix}"
        refuses(lambda: modality.read(missing), MediaError, "reading a missing file")
        broken = Path(folder) / f"broken{suffix}"
        broken.write_bytes(path.read_bytes()[:7] + b"\xff\x00\xfe\x80")
        refuses(lambda: modality.read(broken), MediaError, "reading a truncated file")


def _preview(modality: Modality, item: Any) -> None:
    preview = modality.preview(item)
    _within(preview.picture, 0, 1, "a picture")
    shape = tuple(preview.picture.shape)
    expect(len(shape) == 3 and shape[0] == 3, "a picture [3 h w]", list(shape))
    if preview.sound is not None:
        _within(preview.sound, -1, 1, "a sound")
        expect(preview.sound.ndim == 1, "a sound [t]", list(preview.sound.shape))
        expect(bool(preview.sample_rate), "a sound's sample_rate", preview.sample_rate)


def _within(values: Tensor, low: float, high: float, what: str) -> None:
    check_finite(values, what)
    found = float(values.min()), float(values.max())
    expect(low <= found[0] and found[1] <= high, f"{what} within [{low}, {high}]", found)


def _augment(modality: Modality, signal: Signal) -> None:
    before = signal.values.clone()
    torch.manual_seed(1)
    first = modality.augment(signal, torch.Generator().manual_seed(7))
    torch.manual_seed(2)
    untouched = torch.get_rng_state()
    second = modality.augment(signal, torch.Generator().manual_seed(7))
    expect(torch.equal(signal.values, before), "its input left alone", "values changed in place")
    expect(
        first.values.shape == before.shape,
        f"values {list(before.shape)}",
        list(first.values.shape),
    )
    check_same(first.values, second.values, "the same result from the same generator")
    expect(
        torch.equal(untouched, torch.get_rng_state()),
        "randomness from the generator alone",
        "draws from torch's global one",
    )
    if before.is_floating_point():
        low, high = float(before.min()), float(before.max())
        slack = SLACK * (high - low)
        _within(first.values, low - slack, high + slack, "augmented values")
