"""A page of queries and what was found for them, right and wrong framed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from transmodal.cookbook.papers.cm_gans import measure
from transmodal.cookbook.papers.cm_gans.experiments import Run
from transmodal.cookbook.papers.cm_gans.methods import METHODS, OURS, chosen
from transmodal.core.evaluation.report import Report, Shown
from transmodal.core.modality import Preview

RIGHT, WRONG, PLAIN = (0.1, 0.6, 0.2), (0.85, 0.15, 0.1), (0.5, 0.5, 0.5)
SIDE, FRAME, QUERIES, RANKS = 96, 5, 8, 8


def report(run: Run, name: str, seed: int) -> Path:
    """Train on a set, rank its test items, and write the page into the work folder.

    Queries are drawn at random, the same for every seed.

    Args:
        run: where to.
        name: of the set.
        seed: of the training.
    """
    data, choice = run.set(name), chosen(name, OURS)
    learned = METHODS[OURS].learn(data.training, seed, **choice.settings)
    found = measure.vectors(learned, data, choice.reading)
    scores = measure.precisions(found, data.truth)
    page = Report(
        f"Cross-modal retrieval: {name}",
        "The first of each row is the query; behind it what was found for it, the nearest first. "
        "Green frames: of the query's class. Red frames: of another one.",
    )
    unit = {d: torch.nn.functional.normalize(x, dim=1) for d, x in found.items()}
    generator = torch.Generator().manual_seed(3)
    for source, target in [(a, b) for a in found for b in found if a != b]:
        way = f"{source}->{target}"
        page.section(f"{source} to {target}", f"MAP {scores[way].mean():.3f} over all queries.")
        rows: list[tuple[str, list[Shown]]] = []
        for q in torch.randperm(len(unit[source]), generator=generator)[:QUERIES].tolist():
            asked = int(data.truth[source][q])
            order = (unit[target] @ unit[source][q]).argsort(descending=True)[:RANKS]
            shown = [(f"query: {data.classes[asked]}", _tile(data.shown, source, q, PLAIN))]
            for i in order.tolist():
                label = int(data.truth[target][i])
                frame = RIGHT if label == asked else WRONG
                words = data.classes[label] + ("" if label == asked else " (wrong)")
                shown.append((words, _tile(data.shown, target, i, frame)))
            rows.append((f"average precision {scores[way][q]:.3f}", shown))
        page.rows(rows)
    path = run.work / f"{name}.html"
    page.write(path)
    return path


def _tile(shown: object, domain: str, i: int, colour: tuple[float, float, float]) -> Preview:
    """An item in a frame: its picture, its words, or its number where the set shows nothing."""
    item = shown[domain][i] if isinstance(shown, dict) else f"item {i}"
    inner = words(item) if isinstance(item, str) else item[None]
    if not isinstance(item, str):
        inner = torch.nn.functional.interpolate(inner, (SIDE, SIDE))[0]
    frame = torch.tensor(colour)[:, None, None].expand(3, SIDE + 2 * FRAME, SIDE + 2 * FRAME)
    frame = frame.clone()
    frame[:, FRAME:-FRAME, FRAME:-FRAME] = inner
    return Preview(frame)


def words(text: str) -> Tensor:
    """Words as a picture ``[3 SIDE SIDE]``, wrapped."""
    import numpy as np
    from PIL import Image, ImageDraw

    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if len(longer) <= 15 or not lines[-1] else [*lines, word]
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(picture).multiline_text((4, 4), "\n".join(lines), fill="black")
    return torch.from_numpy(np.array(picture, dtype=np.float32) / 255).permute(2, 0, 1)
