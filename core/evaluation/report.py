"""Report: one page that shows and plays what a translator makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from torch import Tensor

from ..atomic import write_atomically
from ..errors import DataError
from ..modality import Preview
from .curves import curves_svg
from .pictures import data_uri, png, wav
from .report_style import STYLE

Shown = tuple[str, Preview]  # what it shows, in words (its alternative text), and how it looks


class Report:
    """A page built from top to bottom and written as ONE file that needs no other.

    Pictures, sounds and plots are held within it, so it can be mailed or opened anywhere.

    Example::

        report = Report("Digits and speech")
        report.section("Digits to speech", "Test pictures and what was made of them.")
        report.rows([("three", [("a written 3", picture), ("a spoken 3", spectrogram)])])
        report.write(Path("out/report.html"))

    Args:
        title: of the page.
        text: a paragraph below the title.
    """

    def __init__(self, title: str, text: str = "") -> None:
        self.title = title
        self._parts = [f"<h1>{escape(title)}</h1>", *_paragraphs(text)]

    def section(self, title: str, text: str = "") -> None:
        """Begin a section; blank lines in the text part its paragraphs."""
        self._parts += [f"<h2>{escape(title)}</h2>", *_paragraphs(text)]

    def rows(self, rows: Sequence[tuple[str, Sequence[Shown]]]) -> None:
        """Chains of previews, source first, each with an arrow to the next.

        Args:
            rows: (title, [(what it shows, preview), ...]); what can be heard gets a player.

        Raises:
            DataError: a row without previews, a picture that is not ``[3 h w]``, or a sound
                without a sample rate.
        """
        cards = []
        for title, chain in rows:
            if not chain:
                raise DataError(f"row {title!r} of the report shows nothing; give it previews")
            arrow = '<span class="arrow" aria-label="becomes">&rarr;</span>'
            figures = arrow.join(_figure(words, preview) for words, preview in chain)
            cards.append(
                f'<div class="row"><div class="title">{escape(title)}</div>{figures}</div>'
            )
        self._parts.append(f'<div class="gallery">{"".join(cards)}</div>')

    def picture(self, picture: Tensor, words: str) -> None:
        """A picture ``[3 h w]`` in [0, 1] in its own size, with what it shows in words."""
        self._parts.append(f'<div class="picture">{_figure(words, Preview(picture))}</div>')

    def confusion(
        self, counts: Sequence[Sequence[int]], classes: Sequence[str], caption: str
    ) -> None:
        """A confusion matrix, shaded by the share of each row.

        Args:
            counts: ``[classes][classes]``, row = true class, column = class read.
            classes: their names.
            caption: what was read.

        Raises:
            DataError: the counts are not as many rows and columns as there are classes.
        """
        if len(counts) != len(classes) or any(len(row) != len(classes) for row in counts):
            raise DataError(
                f"a confusion of {len(classes)} classes has as many rows and columns, "
                f"not {len(counts)} rows of {[len(row) for row in counts]}"
            )
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in classes)
        body = []
        for name, row in zip(classes, counts, strict=True):
            total = max(1, sum(row))
            cells = "".join(f'<td style="--v:{n / total:.3f}">{n}</td>' for n in row)
            body.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
        self._parts.append(
            f'<div class="wide"><table class="confusion"><caption>{escape(caption)}: row = true '
            f"class, column = class read</caption><thead><tr><th></th>{head}</tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table></div>"
        )

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[object]], caption: str = ""
    ) -> None:
        """A table of figures.

        Raises:
            DataError: a row has not as many cells as the head.
        """
        for row in rows:
            if len(row) != len(head):
                raise DataError(f"a table with {len(head)} columns got a row of {len(row)} cells")
        title = f"<caption>{escape(caption)}</caption>" if caption else ""
        columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        self._parts.append(
            f'<div class="wide"><table>{title}<thead><tr>{columns}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def curves(
        self, curves: Mapping[str, Sequence[tuple[float, float]]], words: str, log: bool = False
    ) -> None:
        """Curves over training steps, drawn by matplotlib as SVG.

        Args:
            curves: name -> [(step, value), ...].
            words: what they show, the title and alternative text.
            log: a logarithmic value axis.

        Raises:
            DataError: there is no curve, or one has no points.
        """
        svg = curves_svg(curves, words, log=log)
        self._parts.append(f'<div class="plot" role="img" aria-label="{escape(words)}">{svg}</div>')

    def html(self) -> str:
        """The whole page."""
        body = "\n".join(self._parts)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n"
            f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
        )

    def write(self, path: Path) -> None:
        """Write the page.

        Raises:
            MediaError: the file cannot be written.
        """
        write_atomically(path, self.html())


def _paragraphs(text: str) -> list[str]:
    return [f"<p>{escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip()]


def _figure(words: str, preview: Preview) -> str:
    image = data_uri(png(preview.picture), "image/png")
    player = ""
    if preview.sound is not None:
        if preview.sample_rate is None:
            raise DataError(f"the sound of {words!r} has no sample rate; give the preview one")
        sound = data_uri(wav(preview.sound, preview.sample_rate), "audio/wav")
        player = (
            f'<audio controls preload="metadata" aria-label="{escape(words)}" src="{sound}">'
            "</audio>"
        )
    return (
        f'<figure><img src="{image}" alt="{escape(words)}">{player}'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )
