"""Health: what the notes of an adversarial training say, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

from .config import check_number
from .kernel.events import Advice, Event, Progress, StageStarted

# A critic that tells nearly every made item from a real one leaves the generator a loss that
# hardly changes with what it makes. Below this, one item in twenty is still in doubt.
WINS = 0.95
# Half right is a coin. That is where the game should end, and also where a critic that learns
# nothing stands, so the advice says both.
LOST = 0.52
# Among MNIST and Fashion-MNIST items of one class lie .61 to .98 times the mean distance of all
# items: below .6, samples are more alike than those of any single class.
ALIKE = 0.6
# Pairs made of two unrelated z get about .09 from a good synchronizer (of ten classes, a tenth
# of them share one, and get K/(K+1)). Below .25, pairs of ONE z look hardly more related than
# that.
UNRELATED = 0.25
# A synchronizer right on .55 of the pairs has learned next to nothing from them.
CLUELESS = 0.55
READINGS = 5  # in a row: the first steps of a sound training look ill for a reading or three


@dataclass(frozen=True)
class Sign:
    """Something to say when notes are as they should not be.

    Args:
        notes: names of the notes it reads; a domain's name follows them where ``each``.
        each: whether there is one of each note for every domain.
        holds: whether these values are such; they come in the order of ``notes``.
        words: what to say, of ``{domain}`` and the values ``{0}``, ``{1}``; ``{0:.0f}`` is a
            percentage where the note's name ends in ``PERCENT``.
    """

    notes: tuple[str, ...]
    each: bool
    holds: Callable[..., bool]
    words: str


PERCENT = "right"  # notes that are said as percentages
SIGNS = (
    Sign(
        ("discriminator/right",),
        True,
        lambda right: right > WINS,
        "D wins in {domain!r}: it is right on {0:.0f} % of real and made items, so G hardly "
        "learns from it; lower D's learning rate, raise r1 (the penalty on its gradient), "
        "augment what it sees, or give it fewer items or less width",
    ),
    Sign(
        ("discriminator/right",),
        True,
        lambda right: right < LOST,
        "D cannot tell in {domain!r}: it is right on {0:.0f} % of real and made items; good "
        "where samples look real, else D is too weak: raise its learning rate, lower r1",
    ),
    Sign(
        ("discriminator/diversity",),
        True,
        lambda diversity: diversity < ALIKE,
        "modes collapsing in {domain!r}: samples differ {0:.2f} times as much as real items; "
        "raise r1, lower both learning rates, take larger batches, or go back to an earlier state",
    ),
    Sign(
        ("generator/made",),
        False,
        lambda made: made < UNRELATED,
        "G does not follow the synchronizer: pairs made of one z get a probability of {0:.2f} "
        "from it, hardly more than strangers; raise the weight or learning rate with which G "
        "learns from it before anything else, then raise its r1",
    ),
    Sign(
        ("synchronizer/right",),
        False,
        lambda right: right < CLUELESS,
        "the synchronizer learns nothing: it is right on {0:.0f} % of real pairs, a coin on 50 %; "
        "check that paired rows belong together, raise its learning rate, or give it more pairs",
    ),
)


def advise(notes: Mapping[str, float]) -> list[str]:
    """What one reading of the notes says, nothing where all is well.

    Args:
        notes: name -> value, such as ``Progress.losses``. Those read here, where they are
            there and finite:

            - ``discriminator/right/DOMAIN``: share of real and made items that the
              discriminator calls what they are, 0 to 1.
            - ``discriminator/diversity/DOMAIN``: mean distance between made items over mean
              distance between real items.
            - ``synchronizer/right``: share of real pairs, synchronous or not, that the
              synchronizer calls what they are.
            - ``generator/made``: mean probability of synchrony it gives to pairs made of
              one z.

    The limits stand beside the constants of this module.
    """
    return [words for words, holds in _read(notes).values() if holds]


class Health:
    """Advice on a training as it goes: what holds for several readings in a row, said once.

    A thing is said again only after it was over for as many readings. Readings that lack a
    note neither begin nor end anything.

    Args:
        readings: in a row, 1 or more.

    Raises:
        SettingError: ``readings`` is out of range.

    >>> health = Health()
    >>> for event in kernel.run():
    ...     if isinstance(event, Progress):
    ...         print(*health.read(event.losses), sep="\\n")
    """

    def __init__(self, readings: int = READINGS) -> None:
        check_number("Health", "readings", readings, 1, integer=True)
        self.readings = readings
        self._streaks: dict[Key, int] = {}  # readings in a row that speak against what was said
        self._said: set[Key] = set()

    def read(self, losses: Mapping[str, float]) -> list[str]:
        """What is new to say after this reading; see ``advise`` for the notes it reads."""
        news = []
        for key, (words, holds) in _read(losses).items():
            turn = holds != (key in self._said)
            self._streaks[key] = self._streaks.get(key, 0) + 1 if turn else 0
            if self._streaks[key] < self.readings:
                continue
            self._streaks[key] = 0
            if holds:
                self._said.add(key)
                news.append(words)
            else:
                self._said.remove(key)
        return news


def advised(events: Iterator[Event]) -> Generator[Event, None, None]:
    """Pass the events on, and after each reading what it says; every stage is read anew."""
    health = Health()
    for event in events:
        yield event
        if isinstance(event, StageStarted):
            health = Health()
        elif isinstance(event, Progress):
            for words in health.read(event.losses):
                yield Advice(event.stage, event.step, words)


Key = tuple[int, str]  # which sign, of which domain


def _read(notes: Mapping[str, float]) -> dict[Key, tuple[str, bool]]:
    """For each sign whose notes are there: its words, and whether it holds."""
    found: dict[Key, tuple[str, bool]] = {}
    for place, sign in enumerate(SIGNS):
        for domain in _domains(notes, sign):
            ends = f"/{domain}" if sign.each else ""
            values = [notes.get(note + ends, float("nan")) for note in sign.notes]
            if all(isfinite(value) for value in values):
                said = [
                    100 * value if note.endswith(PERCENT) else value
                    for note, value in zip(sign.notes, values, strict=True)
                ]
                found[place, domain] = sign.words.format(*said, domain=domain), sign.holds(*values)
    return found


def _domains(notes: Mapping[str, float], sign: Sign) -> list[str]:
    """The domains that have the sign's first note; one without a name where it has none."""
    if not sign.each:
        return [""]
    head = f"{sign.notes[0]}/"
    return [name.removeprefix(head) for name in notes if name.startswith(head)]
