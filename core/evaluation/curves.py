"""Curves over training steps, as inline SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DataError

INK = "#808080"  # readable on white and on black
COLOURS = ("#3b82c4", "#d9822b", "#3fa35b", "#c4463b", "#8d6bc4", "#9c7a54", "#c76aa7", "#2aa6a6")


def curves_svg(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    *,
    log: bool = False,
    across: str = "step",
) -> str:
    """Curves as one ``<svg>`` element that fits light and dark pages.

    The same curves draw the same text, and nothing is left of matplotlib's global state.

    Args:
        curves: name -> [(step, value), ...].
        title: above the axes.
        log: a logarithmic value axis.
        across: what the other axis counts.

    Raises:
        DataError: there is no curve, or one has no points.
    """
    for name, points in curves.items():
        if not points:
            raise DataError(f"curve {name!r} has no points to draw")
    if not curves:
        raise DataError("there are no curves to draw; give at least one")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    title, across = _visible(title), _visible(across)
    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 10}
    with rc_context({**style, "text.parse_math": False}):  # a name may hold a $
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.add_subplot()
        lines = []
        for i, points in enumerate(curves.values()):
            steps, values = zip(*points, strict=True)
            lines += axes.plot(steps, values, color=COLOURS[i % len(COLOURS)], linewidth=1.5)
        axes.set_title(title, color=INK, fontsize=11, loc="left")
        axes.set_xlabel(across, color=INK)
        axes.set_yscale("log" if log else "linear")
        axes.tick_params(colors=INK, which="both")
        axes.grid(color=INK, alpha=0.25, linewidth=0.5)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(INK)
        axes.patch.set_alpha(0)
        figure.legend(
            lines,
            [_visible(name) for name in curves],
            loc="outside lower left",
            ncols=2,
            frameon=False,
            labelcolor=INK,
            fontsize=9,
        )
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _bare(file.getvalue())


def _visible(text: str) -> str:
    """Without control characters, which no SVG may hold."""
    return "".join(c for c in text if c >= " ")


def _bare(svg: str) -> str:
    """The element alone: no XML head, metadata, or names that nothing refers to.

    Plots of one page would share such names, and a page must not name two things alike.
    """
    start, end = svg.find("<metadata>"), svg.find("</metadata>")
    if start >= 0:
        svg = svg[:start] + svg[end + len("</metadata>") :]
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", svg)
    return svg[svg.index("<svg") :].strip()
