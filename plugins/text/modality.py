"""Text: strings, learned as sequences of units."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ...core.config import build, check_choice, check_number
from ...core.errors import DataError
from ...core.modality import Metric, Modality, Preview
from ...core.sequences.attention import KINDS
from ...core.signal import Signal
from . import metrics
from .decoding import check_decoding
from .files import SUFFIX, read_text, write_text
from .generator import TextGenerator
from .learning import SIZE, check_learned, learn
from .picture import text_picture
from .subnets import TextDiscriminator, TextPrenet
from .units import END, LEARNED, UNKNOWN, check_of_use, normal, spelling


class Text(Modality):
    """Strings; a signal holds them as units ``[b t]`` and lengths.

    A text is brought into Unicode's form NFC. Units are numbers: 0 padding, 1 the end that
    every text has (and its length counts), 2 a unit not known, the rest from 3. A *made* text
    holds log-probabilities ``[b t v]`` instead; every subnet here reads both. How texts are
    written may be set at any time (``decoding``): ``longest``, ``shortest``, ``beams``,
    ``penalty`` and ``sampling``.

    ``published["m3d-gan"]`` holds that paper's sizes (sec. 4), its attention and dropout
    Tacotron's, which it names; for ``learned``, as its units are characters.

    Args:
        unit: "byte" (of UTF-8: any script, no learning), "character" (of an alphabet) or "piece"
            (of a sentencepiece model); ``Text.learned`` makes the latter two from texts.
        alphabet: for characters, each once, as form NFC has them.
        model: for pieces, the sentencepiece model, in base64.
        longest: units in a text at most, its end not counted; longer ones are refused, and
            none longer is made.
        shortest: units in a text that is searched for or drawn, at least.
        embedding: width of a unit's vector.
        bank: convolutions in the prenet's bank (``core.sequences.cbhg``); published 16 are dear.
        hidden: of the generator's recurrent units.
        attention: kind of the generator's attention (``core.sequences.attention``); "additive"
            published, "dot" cheaper.
        dropout: in the prenets of both ends, in training.
        beams: of the search for the best text; 1 for the likeliest unit at every step.
        penalty: power of the length by which a text's log-probability is divided, 0 to 2.
        sampling: temperature at which units are drawn, by torch's global generator, in place of a
            search; 0 for the search.
        smoothing: share of the reconstruction that is spread over all units.
        augmentation: share of units that ``augment`` replaces by an unknown one.
        critic: features of the discriminator.

    Raises:
        SettingError: a setting is of the wrong type, out of its range, missing or damaged.
    """

    name: ClassVar[str] = "text"
    units: ClassVar[str] = "characters"
    suffixes: ClassVar[tuple[str, ...]] = (SUFFIX,)
    writing: ClassVar[tuple[str, ...]] = ("shortest", "beams", "penalty", "sampling")
    published: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "m3d-gan": {
            "unit": "character", "embedding": 128, "bank": 16, "hidden": 256,
            "attention": "additive", "dropout": 0.5,
        },
    }  # fmt: skip

    def __init__(
        self,
        unit: str = "byte",
        alphabet: str = "",
        model: str = "",
        longest: int = 200,
        shortest: int = 0,
        embedding: int = 128,
        bank: int = 4,
        hidden: int = 256,
        attention: str = "dot",
        dropout: float = 0.2,
        beams: int = 1,
        penalty: float = 0.0,
        sampling: float = 0.0,
        smoothing: float = 0.0,
        augmentation: float = 0.0,
        critic: int = 128,
    ) -> None:
        check_choice("text", "unit", unit, ("byte", *LEARNED))
        check_number("text", "embedding", embedding, 1, 4096, integer=True)
        check_number("text", "bank", bank, 1, 64, integer=True)
        check_number("text", "hidden", hidden, 1, 4096, integer=True)
        check_choice("text", "attention", attention, tuple(KINDS))
        check_number("text", "dropout", dropout, 0, 0.9)
        check_number("text", "smoothing", smoothing, 0, 0.9)
        check_number("text", "augmentation", augmentation, 0, 0.9)
        check_number("text", "critic", critic, 1, 4096, integer=True)
        self.unit, self.alphabet, self.model = unit, alphabet, model
        self.longest, self.shortest = longest, shortest
        self.embedding, self.bank, self.hidden = embedding, bank, hidden
        self.attention, self.dropout = attention, dropout
        self.beams, self.penalty, self.sampling = beams, penalty, sampling
        self.smoothing, self.augmentation = smoothing, augmentation
        self.critic = critic
        check_decoding(self)
        self.spelling = spelling(unit, alphabet, model)

    @classmethod
    def learned(
        cls, texts: Iterable[Any], unit: str = "piece", size: int = SIZE, **settings: Any
    ) -> Text:
        """A modality whose units are learned from texts, the training ones.

        Args:
            texts: strings, or paths of files that hold them; those that are no good text are
                refused.
            unit: "piece" or "character".
            size: units at most, the special ones among them; of characters the most frequent.
            settings: the other settings.

        Raises:
            DataError: a text is none, or there is nothing to learn from.
            MediaError: a file cannot be read.
            SettingError: a setting is wrong, or so few texts cannot give so many pieces.
        """
        check_learned(unit, size)
        return cls(unit, **learn(texts, unit, size), **settings)

    @classmethod
    def learner(cls, settings: Mapping[str, Any]) -> Callable[[Iterable[Any]], Text] | None:
        """For recipes: makes the modality of training texts, as ``learned``, with these settings.

        None where there is nothing to learn: units are bytes, or their alphabet or model is given.

        Raises:
            SettingError: one of them is wrong, as far as can be told before.
        """
        unit, size = settings.get("unit"), settings.get("size", SIZE)
        if unit not in list(LEARNED) or settings.get(LEARNED[str(unit)]):
            return None
        check_learned(unit, size)
        check_of_use(unit, settings)
        taken = ("unit", "size", LEARNED[str(unit)])
        others = {k: v for k, v in settings.items() if k not in taken}
        build(cls, others, cls.name)
        return partial(cls.learned, unit=unit, size=size, **others)

    @property
    def vocabulary(self) -> int:
        """v: units, the three special ones among them."""
        return self.spelling.size

    # -- data ---------------------------------------------------------------
    def read(self, path: Path) -> str:
        """What a file of UTF-8 says, without one newline at its end."""
        return read_text(Path(path))

    def write(self, item: Any, path: Path) -> None:
        write_text(normal(item, 0), Path(path))

    def collate(self, items: Sequence[Any]) -> Signal:
        """Strings as one batch of units, on the CPU.

        Raises:
            DataError: an item is no string, has a lone surrogate, or is longer than ``longest``;
                says which.
        """
        if not len(items):
            raise DataError("text: no items to collate; give at least one")
        rows = [self.spelling.encode(normal(item, i)) for i, item in enumerate(items)]
        for i, row in enumerate(rows):
            if len(row) > self.longest:
                raise DataError(
                    f"text: item {i} has {len(row):,} units of a {self.unit}, over longest = "
                    f"{self.longest:,}; split it or raise longest"
                )
        lengths = torch.tensor([len(row) + 1 for row in rows])
        values = pad_sequence([torch.tensor([*row, END]) for row in rows], batch_first=True)
        return Signal(values, lengths)

    def split(self, signal: Signal) -> list[str]:
        """Strings, of units up to the first end; of a made text, the likeliest ones."""
        values = signal.values.detach()
        if values.is_floating_point():
            values = values.argmax(2)
        rows = (values * signal.mask()).cpu().tolist()
        return [self._string(row) for row in rows]

    def _string(self, row: Sequence[int]) -> str:
        if END in row:
            row = row[: row.index(END)]
        return unicodedata.normalize("NFC", self.spelling.decode([i for i in row if i > END]))

    def preview(self, item: Any) -> Preview:
        """The text as a picture, lines broken at 40 characters."""
        return Preview(text_picture(normal(item, 0)))

    def augment(self, signal: Signal, generator: torch.Generator) -> Signal:
        """A share of the units (``augmentation``) replaced by the unknown one, never an end."""
        if not self.augmentation or signal.values.is_floating_point():
            return signal
        values = signal.values
        draws = torch.rand(values.shape, generator=generator, device=generator.device)
        draws = draws.to(values.device)
        lost = (draws < self.augmentation) & (values > END)
        return Signal(values.masked_fill(lost, UNKNOWN), signal.lengths)

    # -- subnets ------------------------------------------------------------
    def prenet(self, width: int, *, pooled: bool = False) -> nn.Module:
        """``Signal`` -> ``Code``: a token for every unit, or the mean hidden one."""
        return TextPrenet(
            self.vocabulary,
            width,
            pooled,
            embedding=self.embedding,
            bank=self.bank,
            dropout=self.dropout,
        )

    def generator(self, width: int, *, condition: int = 0) -> nn.Module:
        """``Code`` -> ``Signal``; ``TextGenerator`` says how. It can be taught."""
        return TextGenerator(
            self.vocabulary,
            width,
            condition,
            embedding=self.embedding,
            how=self,
            kind=self.attention,
            hidden=self.hidden,
            dropout=self.dropout,
        )

    def discriminator(self, *, condition: int = 0) -> nn.Module:
        return TextDiscriminator(
            self.vocabulary, condition, embedding=self.embedding, features=self.critic
        )

    # -- learning -----------------------------------------------------------
    def reconstruction(self, made: Signal, real: Signal) -> Tensor:
        """``-sum_t log p_t(unit t)`` over the real text, ``[b]`` nats; its end counts.

        Where the made text is shorter than the real one, every unit is held equally likely.
        With ``smoothing`` s, ``(1 - s)`` of that and s of the mean over all units.

        Raises:
            DataError: the made text is not log-probabilities.
        """
        logs = made.values
        if not logs.is_floating_point() or logs.ndim != 3:
            raise DataError(
                f"text: what was made must be log-probabilities [b t v], not "
                f"{tuple(logs.shape)} of {logs.dtype}"
            )
        t = min(logs.shape[1], real.values.shape[1])
        told = logs[:, :t].gather(2, real.values[:, :t, None])[..., 0]
        if self.smoothing:
            told = torch.lerp(told, logs[:, :t].mean(2), self.smoothing)
        mask = real.mask()
        both = mask[:, :t] & made.mask()[:, :t]
        missing = mask.sum(1) - both.sum(1)
        surprise: Tensor = -(told * both).sum(1)
        return surprise + missing * torch.tensor(float(self.vocabulary)).log().item()

    def metrics(self) -> Mapping[str, Metric]:
        """``cer`` and ``wer`` (0 is best), ``bleu`` and ``chrf`` (100 is)."""
        scores = {
            "cer": metrics.cer,
            "wer": metrics.wer,
            "bleu": metrics.bleu,
            "chrf": metrics.chrf,
        }
        return {name: partial(self._score, score) for name, score in scores.items()}

    def _score(
        self,
        score: Callable[[Sequence[str], Sequence[str]], float],
        made: Signal,
        real: Signal,
    ) -> float:
        return score(self.split(made), self.split(real))
