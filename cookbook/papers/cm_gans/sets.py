"""What the methods learn from and are tested on: features of two domains, and their classes."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from transmodal.cookbook.papers.cm_gans.baselines import Training
from transmodal.cookbook.papers.latent_transfer import sets as digit_sets
from transmodal.core.errors import DataError
from transmodal.core.evaluation.judge import train_judge
from transmodal.core.modality import Modality
from transmodal.core.seeds import derived_seed
from transmodal.core.signal import Signal
from transmodal.registry import Registry

HELD_BACK = 0.25  # of the training rows (or concepts, or takes), where choices are made
STYLES = ("noto", "twemoji", "openmoji", "fluent3d", "fluentflat")
VARIANTS = r"\b(man|woman|men|women|person|people|boy|girl|prince|princess|mr\.?|mrs\.?|santa)\b"


@dataclass(frozen=True)
class Set:
    """Features of two domains, their rows paired in training, and test items.

    Args:
        raw: domain -> ``[n v]`` training features, row i of both belongs together.
        labels: ``[n]`` class indices.
        test: domain -> ``[m v]``.
        truth: domain -> ``[m]`` classes of the test items.
        classes: their names.
        shown: domain -> what stands for a test item in a report, a picture or words.
    """

    raw: Mapping[str, Tensor]
    labels: Tensor
    test: Mapping[str, Tensor]
    truth: Mapping[str, Tensor]
    classes: Sequence[str]
    shown: Mapping[str, Sequence[Tensor | str]] | None = None

    @cached_property
    def moments(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Mean and deviation of each training feature."""
        found = {}
        for d, x in self.raw.items():
            std = x.std(0)
            found[d] = x.mean(0), torch.where(std > 1e-6 * std.mean(), std, torch.ones_like(std))
        return found

    def scaled(self, domain: str, x: Tensor) -> Tensor:
        """Features standardised by the training items."""
        mean, std = self.moments[domain]
        return (x - mean) / std

    @property
    def training(self) -> Training:
        """What every method learns from."""
        features = {d: self.scaled(d, x) for d, x in self.raw.items()}
        return Training(features, self.labels, len(self.classes))


def load(name: str, validate: bool = False, quick: bool = False) -> Set:
    """The set ``wikipedia``, ``emoji`` or ``digits``.

    Args:
        name: of the set.
        validate: test on held-back training items instead, for making choices; networks that
            make features then learn without them too.
        quick: shorter trainings of these networks.

    Raises:
        DataError: the data are not there.
    """
    makers = {"wikipedia": wikipedia, "emoji": emoji, "digits": digits}
    return makers[name](validate, quick)


def held(n: int, name: str) -> tuple[Tensor, Tensor]:
    """Indices that stay, and that are held back, of n."""
    generator = torch.Generator().manual_seed(derived_seed("held back", name) % 2**31)
    order = torch.randperm(n, generator=generator)
    return order[int(HELD_BACK * n) :], order[: int(HELD_BACK * n)]


def wikipedia(validate: bool = False, quick: bool = False) -> Set:
    """Published features of Wikipedia articles, 2,173 for training and 693 for test.

    Square roots of them (Hellinger): both are histograms.
    """
    path = digit_sets.root() / "wikipedia_xmodal" / "wikipedia_xmodal.npz"
    if not path.is_file():
        raise DataError(f"no such data set: {path}")
    arrays = np.load(path, allow_pickle=False)

    def part(which: str) -> tuple[dict[str, Tensor], Tensor]:
        x = {d: torch.from_numpy(arrays[f"{which}_{d}"]).sqrt() for d in ("image", "text")}
        return x, torch.from_numpy(arrays[f"{which}_labels"])

    train, labels = part("train")
    test, truth = part("test")
    classes = [str(c) for c in arrays["classes"]]
    if validate:
        stay, out = held(len(labels), "wikipedia")
        test, truth = {d: x[out] for d, x in train.items()}, labels[out]
        train, labels = {d: x[stay] for d, x in train.items()}, labels[stay]
    return Set(train, labels, test, dict.fromkeys(test, truth), classes)


def read_features(
    modality: Modality, train: Signal, labels: Tensor, classes: int, steps: int, *others: Signal
) -> list[Tensor]:
    """Features ``[m 64]`` of signals by a network that learned the classes of the training items.

    Args:
        modality: of the signals.
        train, labels, classes: what the network learns.
        steps: of training.
        others: whose features are wanted, beside those of the training items.
    """
    net = train_judge(modality, train, labels, classes, seed=77, steps=steps)
    return [net.features(signal) for signal in (train, *others)]


def digits(validate: bool = False, quick: bool = False) -> Set:
    """Written and spoken digits by features of networks trained on the training items.

    Each clip is paired with two written digits of its class. ``image`` has 5,000 test items of
    MNIST, ``speech`` 150 of FSDD.
    """
    written, spoken = (digit_sets.load(n, validate) for n in ("mnist", "fsdd"))
    generator = torch.Generator().manual_seed(5)
    rows: list[Tensor] = []
    clips = torch.arange(len(spoken.train)).repeat(2)
    for k in clips.tolist():
        pool = (written.train.labels == spoken.train.labels[k]).nonzero()[:, 0]
        rows.append(pool[torch.randint(len(pool), (), generator=generator)])
    chosen = torch.stack(rows)
    steps = 20 if quick else 400
    pictures = written.train.take(chosen)
    labels = written.train.labels[chosen]
    image, image_test = read_features(
        written.modality, pictures, labels, 10, steps, written.test.signal
    )
    speech, speech_test = read_features(
        spoken.modality, spoken.train.signal, spoken.train.labels, 10, steps, spoken.test.signal
    )
    return Set(
        {"image": image, "speech": speech[clips]},
        labels,
        {"image": image_test, "speech": speech_test},
        {"image": written.test.labels, "speech": spoken.test.labels},
        [str(c) for c in range(10)],
        {
            "image": [x.expand(3, -1, -1) for x in written.test.signal.values],
            "speech": [f'"{c}" spoken' for c in spoken.test.labels.tolist()],
        },
    )


def emoji_table() -> tuple[Path, list[dict[str, str]]]:
    """The folder of emoji5, and a row for each of its concepts.

    Raises:
        DataError: the data are not there.
    """
    folder = digit_sets.root() / "emoji5"
    if not (folder / "meta.tsv").is_file():
        raise DataError(f"no such data set: {folder}")
    with (folder / "meta.tsv").open(newline="", encoding="utf-8") as file:
        return folder, list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def stem(name: str) -> str:
    """What a concept's variants have in common: no man, woman or person, nothing after a colon."""
    words = re.sub(VARIANTS, " ", name.lower().split(":")[0])
    return " ".join(words.split()) or name.lower()


def emoji(validate: bool = False, quick: bool = False) -> Set:
    """Emoji in five artists' styles, and their names and keywords; the classes are the groups.

    A fifth of the concepts, variants of one name together, are held out for test; of the rest
    a quarter for validation. Images: a network that reads the groups from training pictures
    of 32 x 32 pixels. Texts: tf-idf of character n-grams, 128 principal directions.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    folder, rows = emoji_table()
    classes = sorted({row["group"] for row in rows})
    labels = torch.tensor([classes.index(row["group"]) for row in rows])
    part = parts([stem(row["en"]) for row in rows])
    wanted = {"train": part == 0, "test": part == 1} if validate else {
        "train": part != 2, "test": part == 2}  # fmt: skip
    index = {which: mask.nonzero()[:, 0] for which, mask in wanted.items()}
    whole = (cells(folder / f"{style}.png", rows) for style in STYLES)
    sheets = torch.stack([avg_pool2d(pictures, 2) for pictures in whole], 1)

    def pictures(which: str) -> Signal:
        return Signal(sheets[index[which]].flatten(0, 1))  # a concept's styles in succession

    image = Registry.load().modality("image")(size=32, channels=3, flip=True)
    spread = {which: labels[i].repeat_interleave(len(STYLES)) for which, i in index.items()}
    train, test = read_features(
        image, pictures("train"), spread["train"], len(classes), 20 if quick else 500,
        pictures("test"),
    )  # fmt: skip
    told = [f"{row['en']} {row['tags_en'].replace(',', ' ')}" for row in rows]
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)
    lexicon = vectors.fit_transform([told[i] for i in index["train"].tolist()])
    svd = TruncatedSVD(128, random_state=0).fit(lexicon)
    text = torch.from_numpy(svd.transform(vectors.transform(told))).float()
    return Set(
        {"image": train, "text": text[index["train"]].repeat_interleave(len(STYLES), 0)},
        spread["train"],
        {"image": test, "text": text[index["test"]]},
        {"image": spread["test"], "text": labels[index["test"]]},
        classes,
        {
            "image": list(pictures("test").values),
            "text": [rows[i]["en"] for i in index["test"].tolist()],
        },
    )


def parts(stems: Sequence[str]) -> Tensor:
    """``[n]``: 2 for the test part (a fifth of the stems), 1 for validation, 0 for the rest."""
    names = sorted(set(stems))
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(11)).tolist()
    place = {names[i]: rank / len(names) for rank, i in enumerate(order)}
    share = torch.tensor([place[s] for s in stems])
    return torch.where(share < 0.2, 2, torch.where(share < 0.2 + 0.8 * HELD_BACK, 1, 0))


def cells(sheet: Path, rows: Sequence[Mapping[str, str]]) -> Tensor:
    """The concepts' pictures of a sheet, ``[n 3 64 64]`` in [0, 1]."""
    from PIL import Image

    with Image.open(sheet) as picture:
        pixels = torch.from_numpy(np.array(picture.convert("RGB"), dtype=np.float32) / 255)
    found = []
    for row in rows:
        i = int(row["index"])
        top, left = 64 * (i // 40), 64 * (i % 40)
        found.append(pixels[top : top + 64, left : left + 64].permute(2, 0, 1))
    return torch.stack(found)
