"""Signal: a batch of one domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import DataError


@dataclass(frozen=True)
class Signal:
    """A batch of one domain: values and, where length varies, lengths.

    Args:
        values: ``[b ...]``. Where ``lengths`` is given, axis 1 is time (or token) and
            positions past an item's length are padding.
        lengths: ``[b]`` integers, valid positions along axis 1; None when every item
            has the same length.

    Raises:
        DataError: ``lengths`` does not have one entry per item.
    """

    values: Tensor
    lengths: Tensor | None = None

    def __post_init__(self) -> None:
        if self.lengths is not None and self.lengths.shape != self.values.shape[:1]:
            raise DataError(
                f"a signal of {self.values.shape[0]} items needs as many lengths, "
                f"not lengths of shape {tuple(self.lengths.shape)}"
            )

    def __len__(self) -> int:
        return self.values.shape[0]

    def __getitem__(self, index: Tensor | slice) -> Signal:
        """Items at ``index`` (an integer or boolean tensor, or a slice)."""
        lengths = None if self.lengths is None else self.lengths[index]
        return Signal(self.values[index], lengths)

    def mask(self) -> Tensor:
        """``[b t]`` booleans, True where a position is real and not padding."""
        b, t = self.values.shape[:2]
        if self.lengths is None:
            return torch.ones(b, t, dtype=torch.bool, device=self.values.device)
        return torch.arange(t, device=self.values.device) < self.lengths[:, None]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Signal:
        lengths = self.lengths
        if lengths is not None:
            lengths = lengths.to(device, non_blocking=non_blocking)
        return Signal(self.values.to(device, non_blocking=non_blocking), lengths)

    def trimmed(self) -> Signal:
        """The same items without positions that are padding in all of them.

        It asks the device for a number, so a GPU waits.
        """
        if self.lengths is None:
            return self
        return Signal(self.values[:, : max(1, int(self.lengths.max()))], self.lengths)

    @staticmethod
    def cat(signals: Sequence[Signal]) -> Signal:
        """Join batches of one domain end to end, those of fewer steps padded with zeros.

        Raises:
            DataError: none is given, or some have lengths and others not.
        """
        if not signals:
            raise DataError("cannot join zero signals; give at least one")
        return signals[0].before(signals[1:])

    def before(self, others: Sequence[Signal]) -> Signal:
        """``cat`` of this batch and others."""
        signals = (self, *others)
        lengths = [s.lengths for s in signals if s.lengths is not None]
        values = [s.values for s in signals]
        if not lengths:
            return Signal(torch.cat(values))
        if len(lengths) < len(signals):
            raise DataError("cannot join signals with lengths and signals without")
        longest = max(v.shape[1] for v in values)
        padded = [
            v
            if v.shape[1] == longest
            else torch.cat([v, v.new_zeros(len(v), longest - v.shape[1], *v.shape[2:])], 1)
            for v in values
        ]
        return Signal(torch.cat(padded), torch.cat(lengths))
