"""Reach: how far what a generator makes is from queries, and whether that is near enough."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..config import check_number
from ..errors import SHOWN, DataError, ReachError, UnsupportedError
from ..signal import Signal

Decode = Callable[[Tensor], Signal]  # z [m d] -> m signals, differentiable
Distance = Callable[[Signal, Signal], Tensor]  # made, query -> [m], >= 0


def squared_error(made: Signal, real: Signal) -> Tensor:
    """``sum (made - real)^2`` over the values within the real items' lengths, ``[m]``.

    What is made may be longer or shorter than items that have lengths: its end is then left, or 0.

    Raises:
        DataError: the signals differ in shape otherwise.
    """
    values, size = made.values, real.values.shape
    if real.lengths is not None and values.shape[1:2] != size[1:2]:
        values = values[:, : size[1]]
        missing = values.new_zeros(len(values), size[1] - values.shape[1], *values.shape[2:])
        values = torch.cat([values, missing], 1)
    if values.shape != size:
        raise DataError(
            f"made signals of shape {tuple(made.values.shape)} cannot be held against queries of "
            f"shape {tuple(size)}; give a distance that compares them"
        )
    error = (values.float() - real.values.float()).square()
    if real.lengths is not None:
        mask = real.mask()
        error = error * mask.view(*mask.shape, *[1] * (error.ndim - 2))
    return error.flatten(1).sum(1)


def made_by(decode: Decode, z: Tensor) -> Signal:
    """``decode(z)``, in float32 where autocast made it half as wide.

    Raises:
        DataError: not one signal for each row of ``z``.
    """
    made = decode(z)
    if len(made) != len(z):
        raise DataError(f"decode made {len(made)} signals of {len(z)} latent vectors")
    if made.values.dtype in (torch.float16, torch.bfloat16):
        return Signal(made.values.float(), made.lengths)
    return made


def compare(distance: Distance, made: Signal, query: Signal) -> Tensor:
    """``distance(made, query)`` ``[m]`` in float32, whatever autocast says.

    Raises:
        DataError: not one distance for each item.
        UnsupportedError: no gradient comes back although gradients are on.
    """
    with torch.autocast(made.values.device.type, enabled=False):
        far = distance(made, query)
    if far.shape != (len(made),):
        raise DataError(
            f"a distance is one number for each of {len(made)} items, not shape "
            f"{tuple(far.shape)}; sum over everything but axis 0"
        )
    if torch.is_grad_enabled() and not far.requires_grad:
        raise UnsupportedError(
            "decode and distance give no gradient back to z; leave out no_grad, detach and argmax"
        )
    return far.float()


def require_finite(query: Signal) -> None:
    """Refuse queries that hold NaN or infinity.

    Raises:
        DataError: naming their positions.
    """
    bad = ~query.values.isfinite().flatten(1).all(1)
    if bad.any():
        places = _positions(bad)
        named = ", ".join(str(i) for i in places[:SHOWN])
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        raise DataError(
            f"{len(places)} of {len(query)} queries hold values that are not finite, at "
            f"positions {named}{more}; repair or leave them out"
        )


def require_reached(residual: Tensor, limit: float, domain: str) -> None:
    """Refuse inversions whose residual is above a limit.

    Args:
        residual: ``[b]`` distances of what the generator makes to the queries.
        limit: largest residual allowed, >= 0, in the distance's unit.
        domain: whose generator it is.

    Raises:
        ReachError: naming the positions and residuals of the items that are not reached.
        SettingError: the limit is no number >= 0.
    """
    check_number("inversion", "limit", limit, 0)
    bad = ~(residual <= limit)
    if bad.any():
        raise ReachError(
            f"the generator of {domain!r} does not reach {{missed}} within {limit:g}, at positions "
            "(residuals) {positions}; give items like those it was trained on, search with more "
            "restarts or steps, train it longer, or raise the limit (a bridge's setting `reach`)",
            {i: f"({residual[i]:.4g})" for i in _positions(bad)},
            len(residual),
        )


def best_ends(rank: Tensor, residual: Tensor, z: Tensor) -> Tensor:
    """The place ``[b]`` of the lowest rank among ends ``[b r]`` that are finite.

    Of equal ranks the shorter z is taken, so that the order of the ends does not matter.

    Raises:
        ReachError: no end of some query is finite; names their positions.
    """
    lost = ~(residual.isfinite() & z.isfinite().all(2))
    bad = lost.all(1)
    if bad.any():
        raise ReachError(
            "no search for {missed} ended in finite numbers, at positions {positions}; lower the "
            "search's rate to the distance's scale",
            dict.fromkeys(_positions(bad), ""),
            len(bad),
        )
    rank = rank.nan_to_num(torch.finfo(rank.dtype).max).masked_fill(lost, torch.inf)
    tied = rank == rank.amin(1, keepdim=True)
    return z.square().sum(2).masked_fill(~tied, torch.inf).argmin(1)


def _positions(bad: Tensor) -> list[int]:
    found: list[int] = bad.nonzero()[:, 0].tolist()
    return found
