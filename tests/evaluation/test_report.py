import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
import soundfile
import torch
from PIL import Image

from transmodal.core import Preview
from transmodal.core.errors import DataError, MediaError
from transmodal.core.evaluation.curves import curves_svg
from transmodal.core.evaluation.report import Report

VOID = {"meta", "img", "br", "link", "input", "hr", "source"}


class Reader(HTMLParser):
    """Follows the tags and fails where one is closed that was not opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def full() -> tuple[Report, Preview, Preview]:
    pixels = torch.arange(12).view(1, 3, 4).expand(3, 3, 4) / 255
    written = Preview(pixels)
    spoken = Preview(torch.rand(3, 8, 5), torch.linspace(-0.5, 0.5, 400), 8000)
    report = Report("Digits & speech", "First.\n\nSecond <b>paragraph</b>.")
    report.section("Translations", "A row is a test item.")
    report.rows([("three", [("a written 3", written), ('a "spoken" 3', spoken)])])
    report.picture(pixels, "many digits")
    report.confusion([[3, 1], [0, 2]], ["<zero>", "one"], "digits to speech")
    report.table(["figure", "value"], [["accuracy", 0.9], ["chance", 0.1]], "Figures")
    report.curves({"vae/loss": [(0, 2.0), (50, 1.0)], "swd": [(0, 1.0), (50, 0.1)]}, "Losses")
    return report, written, spoken


def test_the_page_is_well_formed_and_needs_no_other_file(tmp_path: Path) -> None:
    report, _, _ = full()
    report.write(tmp_path / "report.html")
    assert [f.name for f in tmp_path.iterdir()] == ["report.html"]
    page = (tmp_path / "report.html").read_text()
    reader = read(page)
    for tag, attributes in reader.seen:
        assert tag not in ("script", "link", "iframe")
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    addresses = set(re.findall(r"https?://[^\"' <]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "url(" not in page.replace("url(#", "")


def test_pictures_and_sounds_come_back_out_of_the_page() -> None:
    report, _, spoken = full()
    seen = read(report.html()).seen
    images = [a for tag, a in seen if tag == "img"]
    first = Image.open(io.BytesIO(base64.b64decode(str(images[0]["src"]).split(",")[1])))
    assert list(first.tobytes()) == [v for v in range(12) for _ in range(3)]
    (player,) = [a for tag, a in seen if tag == "audio"]
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(str(player["src"]).split(",")[1])))
    assert rate == spoken.sample_rate
    assert spoken.sound is not None
    assert torch.allclose(torch.from_numpy(sound).float(), spoken.sound, atol=5e-5)
    assert [a["alt"] for a in images] == ["a written 3", 'a "spoken" 3', "many digits"]


def test_text_is_escaped_and_paragraphs_are_kept() -> None:
    reader = read(full()[0].html())
    assert "Second <b>paragraph</b>." in reader.text
    assert "<zero>" in reader.text
    words = "a <b>written</b> & 'loud' 3"
    report = Report("t")
    report.rows([(words, [(words, Preview(torch.zeros(3, 2, 2), torch.zeros(9), 8000))])])
    shown = read(report.html())
    assert shown.text.count(words) == 2  # the row's title and the caption
    assert [a["alt"] for tag, a in shown.seen if tag == "img"] == [words]
    assert not any(tag == "b" for tag, _ in reader.seen)


def test_a_confusion_is_shaded_by_the_share_of_its_row() -> None:
    seen = read(full()[0].html()).seen
    shades = [a["style"] for tag, a in seen if tag == "td" and a.get("style")]
    assert shades == ["--v:0.750", "--v:0.250", "--v:0.000", "--v:1.000"]


def test_the_page_is_the_same_every_time_and_fits_a_phone() -> None:
    report = Report("t")
    report.curves({"a": [(0, 1.0), (1, 0.5)]}, "Losses", log=True)
    again = Report("t")
    again.curves({"a": [(0, 1.0), (1, 0.5)]}, "Losses", log=True)
    assert report.html() == again.html()
    metas = [a for tag, a in read(report.html()).seen if tag == "meta"]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in metas
    assert "prefers-color-scheme: dark" in report.html()


def test_drawing_curves_leaves_matplotlib_as_it_was() -> None:
    before = dict(matplotlib.rcParams)
    svg = curves_svg({"a": [(0, 1.0), (1, 0.5)]}, "Losses")
    assert dict(matplotlib.rcParams) == before
    assert svg.startswith("<svg") and svg.endswith("</svg>")
    assert "metadata" not in svg


def test_curves_may_have_any_name() -> None:
    names = ("cost $x_{$", "$\\frac$", "_hidden", "a < b & c", "\x01bell")
    svg = curves_svg({name: [(0, 1.0), (1, 0.5)] for name in names}, "100 % $")
    texts = [text for text in ElementTree.fromstring(svg).itertext() if text.strip()]
    assert {*(name.replace("\x01", "") for name in names), "100 % $"} <= set(texts)


def test_two_plots_share_no_names_and_keep_those_they_refer_to() -> None:
    found = []
    for title in ("Losses of the latent models", "Losses of the bridge"):
        svg = curves_svg({"a": [(0, 1.0), (1, 0.5)]}, title)
        names = re.findall(r' id="([^"]+)"', svg)
        assert set(names) >= set(re.findall(r"url\(#([^)]+)\)", svg)) | set(
            re.findall(r'xlink:href="#([^"]+)"', svg)
        )
        found.append(set(names))
    assert found[0] and not found[0] & found[1]


def test_what_cannot_be_shown_is_refused() -> None:
    report = Report("t")
    with pytest.raises(DataError, match="row 'three' of the report shows nothing"):
        report.rows([("three", [])])
    with pytest.raises(DataError, match="the sound of 'hum' has no sample rate"):
        report.rows([("x", [("hum", Preview(torch.zeros(3, 2, 2), torch.zeros(9)))])])
    with pytest.raises(DataError, match=r"a confusion of 2 classes .* not 1 rows of \[2\]"):
        report.confusion([[1, 2]], ["a", "b"], "x")
    with pytest.raises(DataError, match="2 columns got a row of 1 cells"):
        report.table(["a", "b"], [["x"]])
    with pytest.raises(DataError, match="there are no curves to draw"):
        report.curves({}, "Losses")
    with pytest.raises(DataError, match="curve 'swd' has no points"):
        report.curves({"swd": []}, "Losses")


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(MediaError, match=r"cannot write .*report\.html"):
        Report("t").write(tmp_path / "report.html")
