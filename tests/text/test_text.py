"""Text as data: what is refused, files, pictures, what is measured and learned."""

from __future__ import annotations

import math
from pathlib import Path

import jiwer
import pytest
import sacrebleu
import torch
from torch.nn import functional as F

from transmodal.core.errors import DataError, MediaError, SettingError
from transmodal.core.signal import Signal
from transmodal.plugins.text.modality import Text

SMALL = {"longest": 12, "hidden": 8, "embedding": 6, "bank": 2, "critic": 8}
TEXT = Text(**SMALL)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "no items to collate; give at least one"),
        (["a", 3], "item 1 is int, not a string"),
        ([b"a"], "item 0 is bytes, not a string"),
        (["a", "b\ud800c"], "item 1 has a lone surrogate at character 1"),
        (["a" * 13], "item 0 has 13 units of a byte, over longest = 12; split it or raise"),
        (["x", "é" * 5000], "item 1 has 10,000 units"),
    ],
)
def test_items_that_are_no_good_are_refused(items: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        TEXT.collate(items)


@pytest.mark.parametrize(
    "text", ["", "x", "שלום עולם", "こんにちは", "🙂\u200d", "a\x00b\n", "a" * 4999 + "я"]
)
def test_any_other_text_goes_through_everything(text: str) -> None:
    modality = Text(**(SMALL | {"longest": 10_000}))
    signal = modality.collate([text])
    torch.manual_seed(0)
    prenet, judge = modality.prenet(4).eval(), modality.discriminator().eval()
    with torch.no_grad():
        code = prenet(signal)
        assert code.tokens.isfinite().all()
        assert judge(signal).isfinite().all()
        writer = modality.generator(4).eval()
        modality.longest = 5
        made = writer(code)
        assert made.values.isfinite().all() and made.alignment.isfinite().all()
        assert len(modality.split(made)) == 1
    assert modality.split(signal) == [text]
    assert modality.preview(text).picture.shape[0] == 3


@pytest.mark.parametrize("use", ["collate", "preview", "write"])
def test_a_lone_surrogate_is_refused_wherever_a_string_enters(use: str, tmp_path: Path) -> None:
    ways = {
        "collate": lambda text: TEXT.collate([text]),
        "preview": TEXT.preview,
        "write": lambda text: TEXT.write(text, tmp_path / "a.txt"),
    }
    with pytest.raises(DataError, match="item 0 has a lone surrogate at character 1"):
        ways[use]("a\udfff")
    assert not (tmp_path / "a.txt").exists()


def test_a_file_with_a_lone_surrogate_is_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" + "\ud800".encode("utf-8", "surrogatepass"))
    with pytest.raises(MediaError, match=r"a\.txt: not UTF-8 at byte 1"):
        TEXT.read(tmp_path / "a.txt")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    TEXT.write("e\u0301 猫", path)
    assert path.read_bytes() == "é 猫\n".encode()
    assert TEXT.read(path) == "é 猫"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    assert TEXT.read(path) == "a\nb"
    path.write_bytes(b"ab\xffc")
    with pytest.raises(MediaError, match=r"a\.txt: not UTF-8 at byte 2; save it as UTF-8"):
        TEXT.read(path)
    path.write_bytes(b"a" * ((1 << 20) + 1))
    with pytest.raises(MediaError, match="1,048,577 bytes, more than the limit of 1,048,576"):
        TEXT.read(path)
    with pytest.raises(MediaError, match=r"b\.txt: no such file"):
        TEXT.read(tmp_path / "b.txt")
    with pytest.raises(MediaError, match=r"texts are written as \.txt"):
        TEXT.write("a", tmp_path / "a.doc")


def test_a_picture_shows_the_letters() -> None:
    empty, word, long = (TEXT.preview(text).picture for text in ("", "word", "word " * 200))
    assert empty.min() == 1
    assert word.min() < 0.3
    assert long.shape[1] > word.shape[1]
    assert long.shape[2] < 40 * 16 + 16
    assert torch.equal(long, TEXT.preview("word " * 400).picture)


def test_reconstruction_is_the_surprise_at_the_real_units() -> None:
    torch.manual_seed(0)
    real = TEXT.collate(["ab", "abcde"])
    logs = torch.randn(2, 6, 259).log_softmax(2)
    made = Signal(logs, torch.tensor([6, 4]))
    wanted = F.nll_loss(logs[0, :3], real.values[0, :3], reduction="sum")
    cut = F.nll_loss(logs[1, :4], real.values[1, :4], reduction="sum") + 2 * math.log(259)
    torch.testing.assert_close(TEXT.reconstruction(made, real), torch.stack([wanted, cut]))
    short = Signal(logs[:, :2], torch.tensor([2, 2]))
    wanted = F.nll_loss(logs[0, :2], real.values[0, :2], reduction="sum") + math.log(259)
    torch.testing.assert_close(TEXT.reconstruction(short, real)[0], wanted)


def test_smoothing_is_torch_s_of_the_cross_entropy() -> None:
    torch.manual_seed(0)
    text = Text(smoothing=0.2)
    real, logits = text.collate(["abc"]), torch.randn(1, 4, 259)
    wanted = F.cross_entropy(logits[0], real.values[0], reduction="sum", label_smoothing=0.2)
    made = Signal(logits.log_softmax(2), torch.tensor([4]))
    torch.testing.assert_close(text.reconstruction(made, real)[0], wanted)


def test_units_are_no_made_text() -> None:
    real = TEXT.collate(["abc"])
    with pytest.raises(DataError, match=r"must be log-probabilities \[b t v\], not \(1, 4\)"):
        TEXT.reconstruction(real, real)


def test_subnets_refuse_signals_of_another_vocabulary() -> None:
    for net in (TEXT.prenet(4), TEXT.discriminator()):
        with pytest.raises(DataError, match=r"units \[b t\] below 259, not \(1, 2\) up to 300"):
            net(Signal(torch.tensor([[300, 1]]), torch.tensor([2])))
        with pytest.raises(DataError, match=r"log-probabilities \[b t 259\], not \(1, 2, 5\)"):
            net(Signal(torch.zeros(1, 2, 5), torch.tensor([2])))


@pytest.mark.parametrize("texts", [["a", "b"], ["", "c"], ["", ""]])
def test_shortest_texts_teach_the_discriminator_in_bfloat16(texts: list[str]) -> None:
    """Its slopes are those of float32, though a convolution reads a single position.

    Rounding turns features from one side of the leaky ReLUs to the other: a seventh is usual.
    """
    text = Text()
    for seed in range(5):
        torch.manual_seed(seed)
        judge, slopes = text.discriminator(), []
        for enabled in (False, True):
            judge.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                logits = judge(text.collate(texts))
            logits.sum().backward()
            slopes.append([p.grad.clone() for p in judge.parameters()])
        for exact, half in zip(*slopes, strict=True):
            assert (half - exact).norm() <= 0.25 * exact.norm()


def test_a_sure_text_is_read_as_its_units() -> None:
    torch.manual_seed(0)
    real = TEXT.collate(["abc", "d"])
    sure = (F.one_hot(real.values, 259).float() * 100).log_softmax(2)
    for net in (TEXT.prenet(4).eval(), TEXT.discriminator().eval()):
        one, other = net(real), net(Signal(sure, real.lengths))
        if not isinstance(one, torch.Tensor):
            one, other = (c.tokens * c.mask[..., None] for c in (one, other))
        assert torch.allclose(one, other, atol=1e-5)
    assert TEXT.split(Signal(sure, real.lengths)) == ["abc", "d"]


def test_metrics_are_those_of_the_libraries() -> None:
    real, made = ["the cat sat", "a red mat"], ["the cat sits", "a mat"]
    text = Text()
    scores = {
        name: metric(text.collate(made), text.collate(real))
        for name, metric in text.metrics().items()
    }
    assert scores == {
        "cer": pytest.approx(jiwer.cer(real, made)),
        "wer": pytest.approx(2 / 6),
        "bleu": pytest.approx(sacrebleu.corpus_bleu(made, [real]).score),
        "chrf": pytest.approx(sacrebleu.corpus_chrf(made, [real]).score),
    }


def test_no_error_rate_is_of_empty_texts_alone() -> None:
    empty, word = TEXT.collate([""]), TEXT.collate(["word"])
    for name, metric in TEXT.metrics().items():
        for made in (empty, word):
            of_nothing = metric(made, empty)
            assert math.isnan(of_nothing) if name in ("cer", "wer") else of_nothing == 0, name
    assert TEXT.metrics()["cer"](empty, word) == 1.0


def test_augmentation_loses_units_but_no_end() -> None:
    text = Text(augmentation=0.5)
    signal = text.collate(["abcdefgh" * 20, "xy"])
    lost = text.augment(signal, torch.Generator().manual_seed(0))
    changed = lost.values != signal.values
    assert (lost.values[changed] == 2).all()
    assert 0.35 < changed[0].float().mean() < 0.65
    assert (lost.values == 1).sum() == 2
    assert text.augment(lost, torch.Generator()).lengths is signal.lengths
    made = Signal(torch.zeros(1, 2, 259), torch.tensor([2]))
    assert text.augment(made, torch.Generator()) is made


@pytest.mark.parametrize("name", ["longest", "embedding", "bank", "hidden", "beams", "critic"])
def test_sizes_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} must be a whole number >= 1"):
        Text(**{name: 0})


@pytest.mark.parametrize("name", ["dropout", "penalty", "smoothing", "augmentation"])
def test_shares_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} must be a number >= 0 <= "):
        Text(**{name: 2.5})


def test_an_unknown_attention_is_refused() -> None:
    with pytest.raises(SettingError, match="attention must be one of 'dot'"):
        Text(attention="hard")
