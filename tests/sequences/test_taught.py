"""What a sequence generator made keeps what its maker looked at, moved and joined."""

from __future__ import annotations

import pytest
import torch

from transmodal.core.errors import DataError
from transmodal.core.sequences.taught import Taught
from transmodal.core.signal import Signal


def made(b: int, s: int, n: int, reduction: int = 2) -> Taught:
    return Taught(
        torch.rand(b, s * reduction, 3),
        torch.randint(1, s * reduction + 1, (b,)),
        torch.rand(b, s, n),
        torch.randn(b, s),
        reduction,
    )


def test_joined_batches_keep_their_alignments_and_stops_padded() -> None:
    parts = [made(2, 4, 7), made(1, 6, 5), made(3, 1, 1)]
    whole = Signal.cat(parts)
    assert isinstance(whole, Taught) and whole.reduction == 2
    assert whole.alignment is not None and whole.stops is not None
    assert whole.values.shape == (6, 12, 3)
    assert whole.alignment.shape == (6, 6, 7) and whole.stops.shape == (6, 6)
    assert torch.equal(whole.steps, torch.cat([part.steps for part in parts]))
    start = 0
    for part in parts:
        assert part.alignment is not None and part.stops is not None
        (b, s, n), rows = part.alignment.shape, slice(start, start + len(part))
        assert torch.equal(whole.alignment[rows, :s, :n], part.alignment)
        assert torch.equal(whole.stops[rows, :s], part.stops)
        assert whole.alignment[rows].sum() == pytest.approx(float(part.alignment.sum()), rel=1e-6)
        assert not whole.stops[rows, s:].any()
        start += b


def test_joined_batches_without_lengths_or_stops() -> None:
    parts = [Taught(torch.rand(2, 3, 1), None, torch.rand(2, 3, n)) for n in (4, 2)]
    whole = Signal.cat(parts)
    assert isinstance(whole, Taught) and whole.stops is None and whole.lengths is None
    assert whole.alignment is not None and whole.alignment.shape == (4, 3, 4)


def test_what_only_some_batches_tell_is_left_out() -> None:
    one = made(2, 4, 7)
    assert one.lengths is not None
    plain = Signal(one.values, one.lengths)
    for mixed in ([one, plain], [plain, one], [one, made(2, 3, 7, reduction=1)]):
        assert type(Signal.cat(mixed)) is Signal
    mute = Taught(one.values, one.lengths, None, one.stops, 2)
    both = Signal.cat([one, mute])
    assert isinstance(both, Taught) and both.alignment is None and both.stops is not None
    with pytest.raises(DataError, match="with lengths and signals without"):
        Signal.cat([one, Taught(one.values, None, one.alignment)])


def test_moved_it_stays_what_it_is() -> None:
    there = made(2, 4, 7).to("meta")
    assert isinstance(there, Taught) and there.reduction == 2
    for part in (there.values, there.lengths, there.alignment, there.stops):
        assert part is not None and part.device.type == "meta"
    bare = Taught(torch.zeros(1, 2, 3)).to("meta")
    assert isinstance(bare, Taught) and bare.alignment is None and bare.stops is None
