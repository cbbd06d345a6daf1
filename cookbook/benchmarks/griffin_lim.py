"""Griffin-Lim in torch against librosa's: time and spectral convergence, interleaved.

    python -m transmodal.cookbook.benchmarks.griffin_lim [--rounds 9] [--wav CLIP] [--json FILE]

One thread each, 60 iterations, momentum 0.99, n_fft 1024, hop 256, 5 s at 22.05 kHz: a
synthetic voice, or the clip given. Both run once a round, in alternating order; the speed-up
is the median over rounds of the ratio within a round, so that a busy machine slows both.
"""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch

from transmodal.cookbook.benchmarks.command import in_rounds, to_json
from transmodal.cookbook.benchmarks.turns import in_turns
from transmodal.cookbook.command import RecipeCommand
from transmodal.core.sound.files import read_sound
from transmodal.core.sound.phase import griffin_lim

RATE, SECONDS, N_FFT, HOP, STEPS = 22050, 5, 1024, 256, 60


def voice() -> np.ndarray:
    """A gliding voice of 30 harmonics with breath, peak 1."""
    t = np.arange(RATE * SECONDS) / RATE
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.9 * t)) / RATE
    wave = np.sum([np.sin(k * phase) / k for k in range(1, 31)], 0)
    wave = wave * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))
    wave = wave + 0.02 * np.random.default_rng(0).standard_normal(len(t))
    return np.asarray(wave / np.abs(wave).max(), dtype=np.float32)


@click.command(cls=RecipeCommand, help=__doc__)
@in_rounds(9)
@click.option("--wav", type=click.Path(path_type=Path, exists=True), help="A clip instead.")
@to_json
def main(rounds: int, wav: Path | None, out: Path | None) -> None:
    """Run the command line; its help is this module's docstring."""
    import librosa

    torch.set_num_threads(1)
    wave = read_sound(wav, RATE).numpy()[: RATE * SECONDS] if wav else voice()
    magnitude = np.abs(librosa.stft(wave, n_fft=N_FFT, hop_length=HOP))
    target = torch.from_numpy(magnitude.T.copy())[None]

    def convergence(made: np.ndarray) -> float:
        again = np.abs(librosa.stft(made, n_fft=N_FFT, hop_length=HOP))
        n = min(again.shape[1], magnitude.shape[1])
        difference = np.linalg.norm(again[:, :n] - magnitude[:, :n])
        return float(difference / np.linalg.norm(magnitude[:, :n]))

    def ours(seed: int) -> np.ndarray:
        made: np.ndarray = griffin_lim(target, N_FFT, HOP, STEPS, seed=seed)[0].numpy()
        return made

    def theirs(seed: int) -> np.ndarray:
        made: np.ndarray = librosa.griffinlim(
            magnitude, n_iter=STEPS, hop_length=HOP, n_fft=N_FFT, random_state=seed
        )
        return made

    players = {"ours": ours, "librosa": theirs}
    waves: dict[str, list[np.ndarray]] = {name: [] for name in players}

    def play(name: str) -> None:
        waves[name].append(players[name](len(waves[name])))  # a round's seed is its number

    for player in players.values():
        player(0)
    turns = in_turns([partial(play, name) for name in players], rounds, time.perf_counter)
    times = dict(zip(players, turns, strict=True))
    errors = {name: [convergence(wave) for wave in made] for name, made in waves.items()}
    ratios = np.divide(times["librosa"], times["ours"])
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    for name in players:
        click.echo(
            f"{name:8s} {1e3 * np.median(times[name]):8.1f} ms   "
            f"spectral convergence {np.median(errors[name]):.4f}"
        )
    click.echo(f"speed-up {middle:.2f}x (quartiles {low:.2f} to {high:.2f}, {rounds} rounds)")
    if out:
        results = {
            "speedup": middle,
            "quartiles": [low, high],
            "rounds": rounds,
            "milliseconds": {name: 1e3 * float(np.median(times[name])) for name in players},
            "convergence": {name: float(np.median(errors[name])) for name in players},
        }
        out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
