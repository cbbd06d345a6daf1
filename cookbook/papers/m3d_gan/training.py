"""Translators of the six tasks: trained once, kept in the work folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from transmodal.cookbook.work import Work
from transmodal.core.atomic import write_atomically
from transmodal.core.records import Records
from transmodal.core.table import Table
from transmodal.core.translator import Translator
from transmodal.registry import Registry


def trained(
    work: Work,
    tag: str,
    seed: int,
    make: Callable[[], Translator],
    records: Callable[[], Records | Table],
) -> Translator:
    """A translator, out of the folder or trained now and put there.

    Args:
        work: the folder; a training that was stopped goes on from there.
        tag: names it in the folder.
        seed: of weights and order.
        make: the translator, untrained.
        records: the training data.
    """
    name = f"{tag}-{seed}"
    place = work.folder / "translators" / name
    if not (place / "config.json").is_file():
        translator, started = make(), time.process_time()
        translator.fit(
            records(),
            precision=work.precision,
            seed=seed,
            checkpoint=work.folder / "states" / name,
        )
        seconds = json.dumps({"seconds": time.process_time() - started})
        write_atomically(work.folder / "seconds" / f"{name}.json", seconds + "\n")
        translator.save(place)
    return Translator.load(place, Registry.load())
