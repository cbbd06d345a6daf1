"""The kernel on a GPU, and the seam of copies, which a CPU can check in part."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from kernel_toys import Toy, single, stages, table, train, weights
from torch import nn

from transmodal.core.kernel import Progress, Training, transfer
from transmodal.core.kernel.distributed import World
from transmodal.core.kernel.precision import tf32
from transmodal.core.kernel.settings import resolve_device
from transmodal.core.stage import Draw


def test_auto_takes_what_there_is() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_tf32_is_set_for_the_run_and_put_back() -> None:
    place = torch.backends.cuda.matmul
    before = place.allow_tf32
    for wanted in (True, False):
        with tf32(wanted):
            assert place.allow_tf32 is wanted
            assert torch.backends.cudnn.allow_tf32 is wanted
        assert place.allow_tf32 is before


def test_channels_last_is_the_format_of_convolutions() -> None:
    class Net(Toy):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

    model = Net()
    train(model, single(model), channels_last=True)
    assert model.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert not model.conv.weight.is_contiguous()


def test_a_table_stays_where_it_is_on_the_cpu() -> None:
    given = table()
    assert transfer.place(given, torch.device("cpu")) is given


def test_batches_from_elsewhere_are_sent_to_the_device() -> None:
    """The meta device stands in for a GPU: what arrives there was sent."""
    meta = torch.device("meta")
    draws = [Draw("x", ("dots",), 4)]
    batch = next(transfer.feed(table(), draws, 0, 0, World(0, 1, meta), meta))["x"]
    assert batch.signals["dots"].values.device == meta
    assert batch.labels["dots"].device == meta
    assert batch.rows["dots"].device.type == "cpu"


def test_in_memory_columns_move_whole_while_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    meta = torch.device("meta")
    size = table().columns["dots"].signal.values.nbytes  # type: ignore[attr-defined]
    for free, expected in ((3.0 * size, "meta"), (1.5 * size, "cpu")):
        monkeypatch.setattr(transfer, "_free", lambda device, free=free: free)
        placed = transfer.place(table(), meta).columns["dots"]
        assert placed.signal.values.device.type == expected  # type: ignore[attr-defined]


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_training_on_cuda_is_that_on_the_cpu_to_rounding(precision: str) -> None:
    here, there = Toy(norm=False), Toy(norm=False)
    train(here, single(here), precision=precision)
    train(there, single(there), precision=precision, device="cuda", tf32=False)
    for name, value in weights(here).items():
        tolerance = 1e-4 if precision == "fp32" else 2e-2
        torch.testing.assert_close(weights(there)[name].cpu(), value, rtol=0, atol=tolerance)


@pytest.mark.cuda
def test_no_step_on_cuda_waits_for_the_device() -> None:
    model = Toy(norm=False)
    from transmodal.core.kernel import Kernel

    settings = Training(device="cuda", log_every=10)
    run = Kernel(model, stages(model, 30)[:1], table(), settings).run()
    while not isinstance(next(run), Progress):
        pass
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with pytest.warns(UserWarning) as caught:
            next(run)
        assert len(caught) <= 8  # the reading of two histories, nothing per step
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.cuda
def test_a_run_on_cuda_resumes(tmp_path: Path) -> None:
    model = Toy()
    train(model, stages(model, 8), device="cuda", checkpoint=tmp_path, save_every=0.0)
    again = Toy(seed=9)
    train(again, stages(again, 8), device="cuda", checkpoint=tmp_path)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)
    )
