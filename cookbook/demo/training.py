"""How the demo's translator and judges learn."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from transmodal.cookbook.demo.data import Amount, domains
from transmodal.core import Code, Modality, Records, Signal, Translator
from transmodal.core.kernel.events import Event, Progress
from transmodal.core.kernel.settings import Precision
from transmodal.core.seeds import seeded
from transmodal.registry import Registry

if TYPE_CHECKING:
    from transmodal.core.evaluation.judge import Judge

LOG_EVERY = 25
Curves = dict[str, dict[str, list[tuple[float, float]]]]  # stage -> term -> (step, value)


@dataclass(frozen=True)
class Plan:
    """How much data and how many steps.

    Args:
        amount: of data.
        reader_steps: of each domain's reader.
        latent_steps: of each domain's latent model.
        bridge_steps: of the bridge.
        judge_steps: of each judge.
        save_every: seconds between two states on disk.
    """

    amount: Amount = field(default_factory=Amount)
    reader_steps: int = 250
    latent_steps: int = 500
    bridge_steps: int = 600
    judge_steps: int = 300
    save_every: float = 15.0


FULL = Plan()
QUICK = Plan(
    Amount(takes=2, held_takes=1, people=9, pictures=300),
    reader_steps=5,
    latent_steps=5,
    bridge_steps=10,
    judge_steps=10,
)


def fit(
    registry: Registry,
    records: Records,
    plan: Plan,
    *,
    seed: int,
    precision: Precision,
    folder: Path,
    progress: bool = True,
    watch: Callable[[Event], None] = lambda event: None,
) -> Translator:
    """The translator, trained; goes on where an earlier call with the same folder was ended.

    Args:
        registry: has the modalities and the bridge.
        records: of training.
        plan: steps.
        seed: of weights, order and noise.
        precision: ``"fp32"`` or ``"bf16"``.
        folder: of the states of training.
        progress: show a bar.
        watch: called with every event.

    Raises:
        TrainingError: a signal ended it.
    """
    steps = {
        "steps": plan.bridge_steps,
        "latent_steps": plan.latent_steps,
        "reader_steps": plan.reader_steps,
    }
    bridge = registry.bridge("bridging-vae")(**steps)
    translator = Translator(domains(registry), bridge)

    def seen(event: Event) -> None:
        if isinstance(event, Progress):
            with (folder / "curves.jsonl").open("a") as file:
                file.write(json.dumps(asdict(event)) + "\n")
        watch(event)

    folder.mkdir(parents=True, exist_ok=True)
    translator.fit(
        records,
        seed=seed,
        precision=precision,
        checkpoint=folder,
        save_every=plan.save_every,
        log_every=LOG_EVERY,
        progress=progress,
        watch=seen,
    )
    return translator


def curves(folder: Path) -> Curves:
    """The losses of all calls of ``fit`` with this folder."""
    found: dict[str, dict[str, dict[float, float]]] = {}
    for line in (folder / "curves.jsonl").read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # the call was killed while it wrote this line
            continue
        for term, value in event["losses"].items():
            found.setdefault(event["stage"], {}).setdefault(term, {})[event["step"]] = value
    return {
        stage: {term: sorted(points.items()) for term, points in terms.items()}
        for stage, terms in found.items()
    }


def judges(
    translator: Translator, records: Records, plan: Plan, *, seed: int, precision: str
) -> dict[str, Judge]:
    """A classifier for each domain, trained on the same real items."""
    from transmodal.core.evaluation.judge import train_judges
    from transmodal.core.kernel.progress import show

    table = records.table(translator.domains, translator.classes)
    return train_judges(
        translator.domains,
        table,
        seed=seed,
        steps=plan.judge_steps,
        precision=precision,
        show=show,
    )


def faster_precision(modalities: Mapping[str, Modality], batch: int = 64) -> str:
    """``"bf16"`` where steps of an autoencoder are clearly faster in it here, else ``"fp32"``."""
    modality = modalities["spoken"]
    with seeded(0):
        prenet, generator = modality.prenet(64, pooled=True), modality.generator(64)
        noise = torch.rand(8000)
        signal = modality.collate([noise[: 4000 + 10 * i] for i in range(batch)])

    def seconds(dtype: torch.dtype | None) -> float:
        begun = time.perf_counter()
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            made: Signal = generator(Code.of(prenet(signal).vector))
            loss = modality.reconstruction(made, signal).mean()
        loss.backward()
        return time.perf_counter() - begun

    seconds(None), seconds(torch.bfloat16)  # the first ones warm up
    pairs = [(seconds(None), seconds(torch.bfloat16)) for _ in range(10)]
    full, half = (min(times) for times in zip(*pairs, strict=True))
    return "bf16" if half < 0.85 * full else "fp32"
