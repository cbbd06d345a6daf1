"""Options that recipes share."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

from transmodal.cookbook.command import named, numbers, options


@click.command()
@options("some-work", seeds="3")
@click.option("--ways", default="0", type=numbers(highest=1))
@click.option("--parts", default="a,b", type=named(["a", "b"]))
@click.option("--shares", default="0.5", type=numbers(float))
def show(
    seeds: list[int],
    out: Path,
    quick: bool,
    ways: list[int],
    shares: list[float],
    parts: tuple[str, ...],
) -> None:
    click.echo(f"{seeds} {out} {quick} {ways} {shares} {parts} {torch.get_num_threads()}")


def test_options_have_defaults() -> None:
    threads = torch.get_num_threads()
    assert (
        CliRunner().invoke(show, []).output
        == f"[3] some-work False [0] [0.5] ('a', 'b') {threads}\n"
    )


def test_options_are_read() -> None:
    threads = torch.get_num_threads()
    call = [
        "--seeds",
        "0,2",
        "--ways",
        "1,0",
        "--shares",
        "1,.25",
        "--parts",
        "b",
        "--quick",
        "--out",
        "x",
    ]
    try:
        found = CliRunner().invoke(show, [*call, "--threads", "1"])
    finally:
        torch.set_num_threads(threads)
    assert found.output == "[0, 2] x True [1, 0] [1.0, 0.25] ('b',) 1\n"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["--seeds", "one"], "give whole numbers with commas between, as 0,1, not 'one'"),
        (["--seeds", "0,"], "give whole numbers with commas between"),
        (["--shares", "a"], "give numbers with commas between"),
        (["--ways", "0,2"], "give numbers from 0 to 1, not '0,2'"),
        (["--ways", "-1"], "give numbers from 0 to 1"),
        (["--shares", "nan"], "give numbers from 0 on, not 'nan'"),
        (["--seeds", "-3"], "give numbers from 0 on"),
        (["--parts", "a,c"], "no 'c'; there are a, b"),
        (["--threads", "-1"], "--threads"),
    ],
)
def test_what_is_no_number_is_named(call: list[str], message: str) -> None:
    found = CliRunner().invoke(show, call)
    assert found.exit_code == 2 and message in found.output
