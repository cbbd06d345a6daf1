import pytest
import torch
from torch import Tensor

from transmodal.core import Memory, Signal, Table
from transmodal.core.errors import DataError, SettingError, TrainingError
from transmodal.core.evaluation.judge import Judge, train_judge, train_judges
from transmodal.core.kernel.events import Interrupted, StageFinished
from transmodal.plugins.image.modality import Image

MODALITY = Image(size=8, augmentation=0.3)


def bars(n: int, seed: int) -> tuple[Signal, Tensor]:
    """Pictures of a bar at one of four heights, under noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (n,), generator=generator)
    values = torch.rand(n, 1, 8, 8, generator=generator) * 0.7
    for i, label in enumerate(labels.tolist()):
        values[i, :, 2 * label : 2 * label + 2] += 0.3
    return Signal(values), labels


@pytest.fixture(scope="module")
def judge() -> Judge:
    signal, labels = bars(300, seed=0)
    labels[::3] = -1
    return train_judge(MODALITY, signal, labels, 4, steps=60, batch=32, device="cpu", width=16)


def test_a_judge_learns_what_it_is_shown(judge: Judge) -> None:
    signal, labels = bars(400, seed=1)
    labels[:100] = -1
    # chance is .25, with a standard deviation of .025 on 300 items
    assert judge.accuracy(signal, labels) > 0.9
    expected = (judge.predict(signal) == labels)[100:].double().mean().item()
    assert judge.accuracy(signal, labels) == pytest.approx(expected)


def test_what_a_judge_reads_does_not_depend_on_batches_or_mode(judge: Judge) -> None:
    signal, _ = bars(50, seed=2)
    whole = judge.probabilities(signal)
    assert whole.shape == (50, 4)
    assert torch.allclose(whole.sum(1), torch.ones(50), atol=1e-5)
    # batches of other sizes add up in another order
    assert torch.allclose(judge.probabilities(signal, batch=7), whole, atol=1e-5)
    assert torch.equal(judge.predict(signal), whole.argmax(1))
    features = judge.features(signal)
    assert features.shape == (50, 16) and not features.requires_grad
    assert torch.allclose(judge.head(features).softmax(1), whole, atol=1e-5)
    judge.train()
    assert torch.allclose(judge.probabilities(signal), whole, atol=1e-5)
    assert judge.training
    judge.eval()


def test_what_is_of_a_class_is_alike(judge: Judge) -> None:
    signal, labels = bars(80, seed=3)
    order = labels.argsort()
    alike, other = signal[order], signal[order.roll(40)]
    assert judge.similarity(alike, alike) == pytest.approx(1)
    assert judge.similarity(alike, signal[order.roll(1)]) > judge.similarity(alike, other) + 0.2
    a, b = (judge.features(x).double() for x in (alike, other))
    by_hand = ((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))).mean()
    assert judge.similarity(alike, other) == pytest.approx(float(by_hand), abs=1e-5)
    with pytest.raises(DataError, match="80 items cannot be held against 79"):
        judge.similarity(alike, other[torch.arange(79)])


def test_a_judge_is_frozen_and_the_random_state_is_kept() -> None:
    signal, labels = bars(40, seed=0)
    state = torch.get_rng_state()
    events = []

    def show(stream):
        for event in stream:
            events.append(event)
            yield event

    made = [
        train_judge(MODALITY, signal, labels, 4, steps=3, batch=8, device="cpu", show=show, seed=s)
        for s in (5, 5, 6)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(p.requires_grad for p in made[0].parameters())
    assert not made[0].training
    first, again, other = (judge.probabilities(signal) for judge in made)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert sum(isinstance(event, StageFinished) for event in events) == 3


def test_an_interrupted_judge_is_no_judge() -> None:
    signal, labels = bars(40, seed=0)

    def stop(stream):
        next(stream)
        yield Interrupted("judge", 2, "SIGINT")

    with pytest.raises(TrainingError, match="ended by SIGINT at step 2 of 9"):
        train_judge(MODALITY, signal, labels, 4, steps=9, batch=8, device="cpu", show=stop)


def test_labels_that_do_not_fit_are_refused(judge: Judge) -> None:
    signal, labels = bars(10, seed=0)
    with pytest.raises(DataError, match=r"10 items need as many labels, not .* \[9\]"):
        train_judge(MODALITY, signal, labels[:9], 4, device="cpu")
    with pytest.raises(DataError, match="none has a label"):
        judge.accuracy(signal, torch.full((10,), -1))
    with pytest.raises(DataError, match="run from 0 to 7, but 4 classes are numbered 0 to 3"):
        judge.accuracy(signal, torch.tensor([0, 7, *[1] * 8]))
    with pytest.raises(DataError, match="no items to read"):
        judge.predict(signal[:0])


def test_every_domain_gets_a_judge_of_its_own() -> None:
    signal, labels = bars(60, seed=0)
    table = Table({"a": Memory(signal, labels), "b": Memory(signal, labels)}, tuple("wxyz"))
    both = {"a": MODALITY, "b": MODALITY}
    judges = train_judges(both, table, steps=4, batch=32, width=8, device="cpu")
    assert list(judges) == ["a", "b"]
    first, second = (judge.probabilities(signal) for judge in judges.values())
    assert not torch.equal(first, second)  # same items, yet not the same judge
    again = train_judges({"a": MODALITY}, table, steps=4, batch=32, width=8, device="cpu")
    assert torch.equal(again["a"].probabilities(signal), first)
    with pytest.raises(DataError, match="none has a label"):
        train_judges(both, Table({"a": Memory(signal, labels * 0 - 1)}, ("x", "y")))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(SettingError, match="Judge: classes must be a whole number >= 2, not 1"):
        Judge(MODALITY, 1)
    with pytest.raises(SettingError, match="Judge: width must be a whole number >= 1, not 0"):
        Judge(MODALITY, 4, width=0)


@pytest.mark.cuda
def test_a_judge_trains_on_the_gpu() -> None:
    signal, labels = bars(300, seed=0)
    judge = train_judge(MODALITY, signal, labels, 4, steps=60, batch=32, device="cuda")
    assert judge.head.weight.is_cuda
    assert judge.predict(signal).device.type == "cpu"
    assert judge.accuracy(*bars(400, seed=1)) > 0.9
