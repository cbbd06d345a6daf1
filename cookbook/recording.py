"""From measured values to figures: those of all seeds that have a value, recorded under a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from transmodal.cookbook.work import Work, remembered
from transmodal.core.errors import SettingError
from transmodal.core.evaluation.results import record

Values = Mapping[int, Mapping[str, float]]  # by seed


class Recorder:
    """Records the figures whose values are there.

    Args:
        work: the folder of the values.
        results: the JSON file.
        seeds: to look for.
        command: that runs the recipe, without what it is to do.
    """

    def __init__(self, work: Work, results: Path, seeds: Sequence[int], command: str) -> None:
        self.work, self.results, self.seeds, self.command = work, results, seeds, command
        self.written: list[str] = []  # names of the figures

    def read(self, stem: str, kind: str = "values") -> Values:
        """Seed -> what was measured, or its ``"seconds"``, as far as it is there.

        Raises:
            SettingError: values were measured of another model than is in the folder.
        """
        found = remembered(self.work.folder / kind, stem, self.seeds)
        for seed in found if kind == "values" else ():
            self.work.check_values(f"{stem}-{seed}")
        return found

    def put(
        self,
        name: str,
        values: Values,
        key: str,
        verb: str,
        *,
        n: str | float | None = "n",
        chance: float | None = None,
    ) -> None:
        """Record a figure; nothing where no seed has its value.

        Args:
            name: of the figure.
            values: as ``read``.
            key: of the value.
            verb: of the command that measures it.
            n: the number of items, or its key in the first seed's; None where there is none.
            chance: what guessing reaches.

        Raises:
            SettingError: the first seed's values lack the number of items.
        """
        found = {seed: each for seed, each in values.items() if key in each}
        if not found:
            return
        if isinstance(n, str):
            seed, first = next(iter(found.items()))
            if n not in first:
                raise SettingError(
                    f"the values of {name!r}, seed {seed}, do not tell of how many items they are "
                    f"({n!r}): they are of an older recipe; delete them in "
                    f"{self.work.folder / 'values'} to measure again"
                )
            n = first[n]
        record(
            self.results,
            name,
            {seed: each[key] for seed, each in found.items()},
            n=None if n is None else int(n),
            chance=chance,
            command=f"{self.command} {verb} record{self.work.options}",
        )
        self.written.append(name)
