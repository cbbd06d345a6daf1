"""What the demo shows: pictures, sounds and a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from transmodal.cookbook.demo.data import SIDE, WORDS
from transmodal.cookbook.demo.training import Curves
from transmodal.core import Preview, Records, Translator
from transmodal.core.evaluation.pictures import grid, save_picture
from transmodal.core.evaluation.report import Report

if TYPE_CHECKING:
    from transmodal.core.evaluation.card import Card
    from transmodal.core.evaluation.judge import Judge

EACH = 2  # test items of each class that are shown
STEPS = 8  # of an interpolation
FROM, TO = 3, 8  # classes it goes between
GRIDS = {
    "digits-to-spoken.png": "Test pictures, and below each the speech made of it",
    "spoken-to-digits.png": "Test clips, and below each the digit made of it",
    "between.png": f"From a written {FROM} to a written {TO}, as pictures and as speech",
}


@dataclass(frozen=True)
class Way:
    """Test items of one domain and their translations, the first ``EACH`` of every class.

    Args:
        classes: true classes.
        items: of the source.
        made: of the target.
        read: what the target's judge reads in ``made``.
        before, after: how both look.
    """

    classes: list[int]
    items: list[Any]
    made: list[Any]
    read: list[int]
    before: list[Preview]
    after: list[Preview]


@dataclass(frozen=True)
class Shown:
    """Everything the files and the report show.

    Args:
        spoken: from digits to speech.
        written: the way back.
        between: interpolations from one picture to another, by target.
        heard: how many sounds made of the test pictures are read right, turned into a waveform
            and back into a spectrogram, and of how many.
    """

    spoken: Way
    written: Way
    between: Mapping[str, list[Preview]]
    heard: tuple[int, int]

    @classmethod
    def of(cls, translator: Translator, records: Records, judges: Mapping[str, Judge]) -> Shown:
        """Translate test records; nothing is picked by hand."""
        table = records.table(translator.domains, translator.classes)
        labels = {domain: table.column(domain).labels for domain in translator.domains}
        pictures = list(records.columns["digits"].items)
        clips = list(records.columns["spoken"].items)
        sounds = translator.translate(pictures, "digits", "spoken")
        modality = translator.domains["spoken"]
        read = judges["spoken"].predict(modality.collate(sounds))
        right = int((read == labels["digits"]).sum())

        chosen = {domain: _first(labels[domain]) for domain in labels}
        drawn = [clips[i] for i in chosen["spoken"]]
        digits = translator.translate(drawn, "spoken", "digits")
        seen = judges["digits"].predict(translator.domains["digits"].collate(digits))

        def look(domain: str, items: Sequence[Any]) -> list[Preview]:
            return [translator.domains[domain].preview(item) for item in items]

        first, last = (pictures[int((labels["digits"] == c).nonzero()[0])] for c in (FROM, TO))
        between = {
            domain: look(domain, translator.interpolate(first, last, "digits", domain, STEPS))
            for domain in translator.domains
        }
        said = [sounds[i] for i in chosen["digits"]]
        shown = [pictures[i] for i in chosen["digits"]]
        order = [c for c in range(len(WORDS)) for _ in range(EACH)]
        return cls(
            Way(order, shown, said, [int(read[i]) for i in chosen["digits"]],
                look("digits", shown), look("spoken", said)),
            Way(order, drawn, digits, seen.tolist(), look("spoken", drawn),
                look("digits", digits)),
            between,
            (right, len(sounds)),
        )  # fmt: skip


def write_files(translator: Translator, shown: Shown, out: Path) -> dict[str, str]:
    """Put inputs, outputs and grids into the folder.

    Returns:
        The grids: name -> what it shows.
    """
    for way, source, target in (
        (shown.spoken, "digits", "spoken"),
        (shown.written, "spoken", "digits"),
    ):
        begin, end = translator.domains[source], translator.domains[target]
        for folder in ("inputs", "outputs"):
            (out / folder).mkdir(parents=True, exist_ok=True)
        for i in range(0, len(way.classes), EACH):
            word = WORDS[way.classes[i]]
            begin.write(way.items[i], out / "inputs" / f"{word}{begin.suffixes[0]}")
            end.write(way.made[i], out / "outputs" / f"{word}{end.suffixes[0]}")
    save_picture(_pairs(shown.spoken), out / "digits-to-spoken.png")
    save_picture(_pairs(shown.written), out / "spoken-to-digits.png")
    rows = [*shown.between["digits"], *shown.between["spoken"]]
    save_picture(_large(rows, STEPS), out / "between.png")
    return dict(GRIDS)


def write_report(
    shown: Shown, card: Card, figures: Mapping[str, Any], curves: Curves, out: Path
) -> None:
    """Write report.html."""
    voices = figures["voices"]
    report = Report(
        "Handwritten digits and spoken digits, each into the other",
        "A translator learned from handwritten digits and from spoken ones, with class labels "
        "and not one pair. It was tested on other pictures "
        f"({figures['n']['digits->spoken']}) and other voices ({voices['test']}; it learned from "
        f"{voices['train']}). "
        "What is shown is the first test items of each class.",
    )
    names = {
        "digits->spoken": "handwritten → spoken",
        "digits->spoken heard": "handwritten → spoken, heard as sound",
        "spoken->digits": "spoken → handwritten",
        "digits->digits": "handwritten → itself",
        "spoken->spoken": "spoken → itself",
    }
    rows = [
        [name, _percent(figures["accuracy"][key]), figures["n"][key]] for key, name in names.items()
    ]
    rows += [
        [f"judge of {name}, on real test items", _percent(share), figures["n"][f"{name}->{name}"]]
        for name, share in figures["judges"].items()
    ]
    rows.append(["chance", _percent(figures["chance"]), ""])
    report.table(["", "read as the true class", "n"], rows)
    report.section("Handwritten → spoken", "Each picture and the speech made of it.")
    report.rows(_rows(shown.spoken, "written", "the judge hears"))
    report.section("Spoken → handwritten", "Each clip and the picture made of it.")
    report.rows(_rows(shown.written, "spoken", "the judge reads"))
    report.section("In between", GRIDS["between.png"] + ", on a path through the common space.")
    both = zip(shown.between["digits"], shown.between["spoken"], strict=True)
    report.rows(
        [
            (f"{i} of {STEPS}", [("decoded as a picture", seen), ("and as speech", said)])
            for i, (seen, said) in enumerate(both, 1)
        ]
    )
    report.section("Which digit is taken for which")
    for transfer in card.results["transfers"]:
        name = names[f"{transfer['source']}->{transfer['target']}"]
        report.confusion(transfer["confusion"], card.classes, name)
    report.section("Training", "Terms of the loss, stage by stage.")
    for stage, terms in curves.items():
        report.curves(terms, stage)
    times = [[name, f"{value:.0f} s"] for name, value in figures["seconds"].items()]
    report.table(["step", "time"], times, f"Time on this machine, {figures['precision']}")
    report.write(out / "report.html")


def _first(labels: Tensor) -> list[int]:
    """The first ``EACH`` items of every class; the same one again where there are fewer."""
    found = [(labels == c).nonzero()[:, 0].tolist() for c in range(len(WORDS))]
    return [places[min(i, len(places) - 1)] for places in found for i in range(EACH)]


def _pairs(way: Way) -> Tensor:
    """Columns of classes; below each source what was made of it."""
    rows = []
    for i in range(EACH):
        rows += [*way.before[i::EACH], *way.after[i::EACH]]
    return _large(rows, len(WORDS))


def _large(previews: Sequence[Preview], columns: int) -> Tensor:
    """A grid at three times its size, digits about as large as spectrograms."""
    pictures = [preview.picture for preview in previews]
    doubled = [_times(p, 2) if p.shape[1] == SIDE else p for p in pictures]
    return _times(grid([Preview(p) for p in doubled], columns), 3)


def _times(picture: Tensor, factor: int) -> Tensor:
    return picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2)


def _rows(way: Way, source: str, verdict: str) -> list[tuple[str, list[tuple[str, Preview]]]]:
    return [
        (WORDS[c], [(f"{source} {c}", before), (f"{verdict} {read}", after)])
        for c, read, before, after in zip(way.classes, way.read, way.before, way.after, strict=True)
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
