"""The demo from its first step to its last."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from transmodal.cookbook.demo import training
from transmodal.cookbook.demo.data import PARTS, domains, make
from transmodal.cookbook.demo.folder import STATES, settings_in, write_note
from transmodal.cookbook.demo.show import Shown, write_files, write_report
from transmodal.cookbook.demo.training import FULL, QUICK, Plan
from transmodal.core import Records
from transmodal.core.errors import SettingError
from transmodal.registry import Registry


def run(
    registry: Registry,
    out: Path,
    *,
    seed: int = 0,
    precision: str = "auto",
    quick: bool = False,
    plan: Plan | None = None,
) -> dict[str, Any]:
    """Make the data, train, measure, and leave everything in ``out``.

    Args:
        registry: has the modalities and the bridge.
        out: folder, new or of an earlier demo.
        seed: of everything.
        precision: ``"auto"``, ``"bf16"`` or ``"fp32"``.
        quick: a few steps on little data.
        plan: another amount of data and steps than these.

    Returns:
        The figures, as ``demo.json`` holds them.

    Raises:
        SettingError: ``out`` holds something else, or an unfinished demo of other settings.
        UnsupportedError: the ``demo`` extra is missing.
        TrainingError: a signal ended the training; another call goes on.
    """
    plan = plan or (QUICK if quick else FULL)
    settings = _settings(registry, out, seed, precision, quick)
    states = out / STATES
    seconds: dict[str, float] = {}

    with _timed(seconds, "data"):
        records = _data(seed, plan)
    if settings_in(out) is None:
        shutil.rmtree(states, ignore_errors=True)  # of an older demo, finished
        write_note(out, settings, None)
    with _timed(seconds, "translator"):
        click.echo(f"training the translator ({settings['precision']})", err=True)
        translator = training.fit(
            registry,
            records["train"],
            plan,
            seed=seed,
            precision=settings["precision"],
            folder=states,
        )
    with _timed(seconds, "judges"):
        click.echo("training a judge for each domain", err=True)
        judges = training.judges(
            translator, records["train"], plan, seed=seed, precision=settings["precision"]
        )
    with _timed(seconds, "evaluation"):
        click.echo("translating the test items", err=True)
        card = translator.evaluate(records["test"], judges=judges)
        shown = Shown.of(translator, records["test"], judges)
        curves = training.curves(states)
    figures = _figures(card.results, shown.heard)
    figures |= {
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "precision": settings["precision"],
        "voices": {part: len({group for group in records[part].groups if group}) for part in PARTS},
    }
    card = replace(
        card,
        training={**card.training, "seconds": sum(seconds.values())},
        pictures=write_files(translator, shown, out),
        limits=[*card.limits, "The voices are those of one synthesiser, not of people."],
    )
    translator.save(out, card)
    write_report(shown, card, figures, curves, out)
    write_note(out, settings, figures)
    shutil.rmtree(states)
    return figures


def _settings(
    registry: Registry, out: Path, seed: int, precision: str, quick: bool
) -> dict[str, Any]:
    """The settings of this demo, its precision chosen."""
    earlier = settings_in(out)
    settings = {"seed": seed, "precision": precision, "quick": quick}
    if earlier is not None:
        if precision == "auto":
            settings["precision"] = earlier.get("precision")
        if settings != earlier:
            raise SettingError(
                f"{out} holds an unfinished demo of {_words(earlier)}, and {_words(settings)} "
                "was asked for; choose another --out, or remove it"
            )
        click.echo(f"going on with the demo in {out}", err=True)
        return settings
    if precision == "auto":
        settings["precision"] = training.faster_precision(domains(registry))
    return settings


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def _data(seed: int, plan: Plan) -> dict[str, Records]:
    """The parts, with a bar."""
    from rich.console import Console
    from rich.progress import track

    parts = track(
        make(seed, plan.amount),
        "making data",
        total=len(PARTS),
        console=Console(stderr=True),
    )
    return dict(parts)


def _figures(results: dict[str, Any], heard: tuple[int, int]) -> dict[str, Any]:
    crossing = {f"{t['source']}->{t['target']}": t for t in results["transfers"]}
    right, n = heard
    return {
        "accuracy": {
            **{name: t["accuracy"] for name, t in crossing.items()},
            "digits->spoken heard": right / n,
        },
        "n": {**{name: t["n"] for name, t in crossing.items()}, "digits->spoken heard": n},
        "judges": results["judges"],
        "chance": crossing["digits->spoken"]["chance"],
    }


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - begun
