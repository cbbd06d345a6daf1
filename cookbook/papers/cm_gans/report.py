"""A page of queries and what was found for them, right and wrong framed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from transmodal.cookbook.papers.cm_gans import measure
from transmodal.cookbook.papers.cm_gans.experiments import Run
from transmodal.cookbook.papers.cm_gans.methods import OURS, chosen
from transmodal.cookbook.papers.cm_gans.sets import Set
from transmodal.core.evaluation.pictures import grid
from transmodal.core.evaluation.report import Report
from transmodal.core.evaluation.retrieval import evaluate_retrieval
from transmodal.core.modality import Preview

RIGHT, WRONG, PLAIN = (0.1, 0.6, 0.2), (0.85, 0.15, 0.1), (0.5, 0.5, 0.5)
SIDE, FRAME, QUERIES, RANKS = 96, 5, 8, 8
LETTERS, LINE = 13, 12  # their height in pixels, and how many stand in a line


def report(run: Run, name: str, seed: int) -> Path:
    """Train on a set, rank its test items, and write the page beside the measured values.

    Queries are drawn at random, the same for every seed.

    Args:
        run: where to.
        name: of the set.
        seed: of the training.
    """
    data = run.set(name)
    found = measure.vectors(run.learn(name, OURS, seed), data, chosen(name, OURS).reading)
    measured = evaluate_retrieval(found, data.truth)
    page = Report(
        f"Cross-modal retrieval: {name}",
        "The first of each row is the query, framed grey; behind it what was found for it, the "
        "nearest first. Green frames: of the query's class. Red frames: of another one.",
    )
    unit = {d: torch.nn.functional.normalize(x, dim=1) for d, x in found.items()}
    generator = torch.Generator().manual_seed(3)
    for source, target in [(a, b) for a in found for b in found if a != b]:
        direction = measured[f"{source}->{target}"]
        far = direction.interval()
        page.section(
            f"{source} to {target}",
            f"MAP {far.mean:.3f} (95 % of resamples of the queries: {far.low:.3f} to "
            f"{far.high:.3f}), chance {direction.chance:.3f}, over {len(direction.asked)} queries.",
        )
        table = direction.per_class(data.classes)
        page.table(
            ["class", "queries", "MAP", "chance"],
            [
                (c, n, f"{precision:.3f}", f"{luck:.3f}")
                for c, (n, precision, luck) in table.items()
            ],
        )
        precision = direction.ranking.average_precision()
        for q in torch.randperm(len(unit[source]), generator=generator)[:QUERIES].tolist():
            asked = int(data.truth[source][q])
            order = (unit[target] @ unit[source][q]).argsort(descending=True)[:RANKS]
            classes = data.truth[target][order].tolist()
            tiles = [tile(data, source, q, PLAIN)]
            for i, label in zip(order.tolist(), classes, strict=True):
                tiles.append(tile(data, target, i, RIGHT if label == asked else WRONG))
            page.picture(
                grid(tiles, len(tiles)),
                f"Query: {data.classes[asked]}; average precision {precision[q]:.3f}. Found: "
                f"{', '.join(data.classes[label] for label in classes)}.",
            )
    path = run.values / f"{name}.html"
    page.write(path)
    return path


def tile(data: Set, domain: str, i: int, colour: tuple[float, float, float]) -> Preview:
    """A test item in a frame: its picture, its words, or its number where the set shows nothing."""
    item = f"{domain} {i}" if data.shown is None else data.shown[domain][i]
    if isinstance(item, str):
        inner = words(item)
    else:
        inner = torch.nn.functional.interpolate(item[None], (SIDE, SIDE))[0]
    frame = torch.tensor(colour)[:, None, None].expand(3, SIDE + 2 * FRAME, SIDE + 2 * FRAME)
    frame = frame.clone()
    frame[:, FRAME:-FRAME, FRAME:-FRAME] = inner
    return Preview(frame)


def words(text: str) -> Tensor:
    """Words as a picture ``[3 SIDE SIDE]``, wrapped."""
    import textwrap

    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    lines, font = "\n".join(textwrap.wrap(text, LINE)), ImageFont.load_default(LETTERS)
    picture, middle = Image.new("RGB", (SIDE, SIDE), "white"), (SIDE / 2, SIDE / 2)
    draw = ImageDraw.Draw(picture)
    draw.multiline_text(middle, lines, fill="black", font=font, anchor="mm", align="center")
    return torch.from_numpy(np.array(picture, dtype=np.float32) / 255).permute(2, 0, 1)
