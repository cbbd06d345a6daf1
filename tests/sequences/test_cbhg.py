"""The CBHG: statistics of real positions only, padding without effect."""

from __future__ import annotations

import torch
from torch import nn

from transmodal.core.sequences.cbhg import CBHG, Highway, MaskedNorm


def test_a_norm_sees_real_positions_only() -> None:
    """In training and in eval mode, what BatchNorm1d makes of the real positions alone."""
    torch.manual_seed(0)
    ours, theirs = MaskedNorm(3), nn.BatchNorm1d(3)
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
            norm.bias.copy_(torch.tensor([0.0, 1.0, 3.0]))
    mask = torch.arange(5) < torch.tensor([5, 2])[:, None]
    for _ in range(3):
        x = torch.randn(2, 3, 5) * 4 + 1
        real = x.transpose(1, 2)[mask]
        made = ours(x, mask[:, None].float())
        torch.testing.assert_close(made.transpose(1, 2)[mask], theirs(real))
        assert (made.transpose(1, 2)[~mask] == 0).all()
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    made = ours.eval()(x, mask[:, None].float())
    torch.testing.assert_close(made.transpose(1, 2)[mask], theirs.eval()(real))


def test_one_position_is_enough_to_train() -> None:
    made = CBHG(4, bank=2, hidden=4)(torch.randn(1, 1, 4), torch.ones(1, 1).bool())
    made.sum().backward()
    assert made.shape == (1, 1, 8)
    assert made.isfinite().all()


def test_padding_changes_neither_output_nor_gradient_nor_statistics() -> None:
    torch.manual_seed(0)
    one, other = CBHG(4, bank=5, highway=2, hidden=3), CBHG(4, bank=5, highway=2, hidden=3)
    other.load_state_dict(one.state_dict())
    x = torch.randn(2, 6, 4)
    mask = torch.arange(6) < torch.tensor([6, 2])[:, None]
    wide = torch.cat([torch.where(mask[..., None], x, 7.0), torch.full((2, 5, 4), 9.0)], 1)
    more = torch.cat([mask, torch.zeros(2, 5).bool()], 1)
    made, padded = one(x, mask), other(wide, more)
    assert torch.allclose(made[mask], padded[:, :6][mask], atol=1e-5)
    made[mask].square().sum().backward()
    padded[:, :6][mask].square().sum().backward()
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-4), name
    for (name, a), b in zip(one.named_buffers(), other.buffers(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name


def test_highways_carry_at_first() -> None:
    """sigmoid(-1) of the transform, the rest of the input, where the weights are 0."""
    layer = Highway(2)
    nn.init.zeros_(layer.both.weight)
    nn.init.constant_(layer.both.bias[:2], 3.0)
    share = torch.sigmoid(torch.tensor(-1.0))
    x = torch.tensor([[1.0, -5.0]])
    torch.testing.assert_close(layer(x), x + share * (3 - x))


def test_a_bank_without_highways() -> None:
    assert len(CBHG(4, bank=16).bank) == 16
    assert [c.conv.kernel_size[0] for c in CBHG(4, bank=3).bank] == [1, 2, 3]
    assert len(CBHG(4, highway=0).highway) == 0
