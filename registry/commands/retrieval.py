"""``transmodal index`` and ``transmodal search``: files found by what is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..registry import Registry
from . import paths
from .cli import pass_registry

if TYPE_CHECKING:
    from torch import Tensor

    from ...core.translator import Translator

DOMAIN = "Domain of the files, where their suffix does not tell."


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--domain", help=DOMAIN)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_registry
def index(
    registry: Registry,
    folder: Path,
    index: Path,
    inputs: tuple[Path, ...],
    domain: str | None,
    as_json: bool,
) -> None:
    """Add INPUTS (files or folders) to the folder INDEX, by the translator in FOLDER.

    INDEX is made where there is none. Each file's path, as given, becomes its id; files whose
    ids are there already are passed over.
    """
    from ...core.retrieval import Index
    from ...core.retrieval.maker import fingerprint
    from ...core.retrieval.stored import LIST
    from ...core.translator import Translator

    translator = Translator.load(folder, registry)
    maker = fingerprint(translator)
    held = Index.load(index) if (index / LIST).exists() else None
    if held is not None:
        held.check_maker(maker)
    added, known = {}, 0
    for name, files in _by_domain(translator, inputs, domain).items():
        new = [file for file in files if held is None or str(file) not in held]
        known += len(files) - len(new)
        if new:
            vectors = _embed(translator, new, name)
            held = held or Index(vectors.shape[1], maker)
            held.add(vectors, [str(file) for file in new], name)
            added[name] = len(new)
    assert held is not None  # paths.expand refuses inputs without files
    held.save(index)
    if as_json:
        about = {"index": str(index), "added": added, "known": known, "domains": held.domains}
        click.echo(json.dumps(about))
        return
    for name, count in added.items():
        click.echo(f"added {count} of {name}")
    passed = f" ({known} were there already)" if known else ""
    click.echo(f"{index} holds {len(held)} items{passed}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("queries", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-k", "count", default=10, show_default=True, help="How many to find for each.")
@click.option("--domain", help=DOMAIN)
@click.option("--in", "among", multiple=True, metavar="DOMAIN", help="Search there; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one entry a query.")
@pass_registry
def search(
    registry: Registry,
    folder: Path,
    index: Path,
    queries: tuple[Path, ...],
    count: int,
    domain: str | None,
    among: tuple[str, ...],
    as_json: bool,
) -> None:
    """Find what in INDEX is nearest to QUERIES (files or folders), by the translator in FOLDER.

    Shown are the cosine, the id and the domain of each item found, the nearest first.
    """
    from ...core.retrieval import Index
    from ...core.retrieval.maker import fingerprint
    from ...core.translator import Translator

    held = Index.load(index)
    translator = Translator.load(folder, registry)
    held.check_maker(fingerprint(translator))
    answers = [
        (file, name, hits)
        for name, files in _by_domain(translator, queries, domain).items()
        for file, hits in zip(
            files, held.search(_embed(translator, files, name), count, among), strict=True
        )
    ]
    if as_json:
        entries = [
            {"query": str(file), "domain": name, "hits": [asdict(hit) for hit in hits]}
            for file, name, hits in answers
        ]
        click.echo(json.dumps(entries, indent=1))
        return
    for file, name, hits in answers:
        click.echo(f"{file} ({name})")
        for hit in hits:
            label = f" {hit.label}" if hit.label is not None else ""
            click.echo(f"  {hit.score:7.4f}  {hit.id} ({hit.domain}){label}")


def _by_domain(
    translator: Translator, inputs: Sequence[Path], asked: str | None
) -> Mapping[str, list[Path]]:
    domains, found = translator.domains, dict[str, list[Path]]()
    among = [domains[paths.choose(domains, "domain", asked, "")]] if asked else domains.values()
    suffixes = sorted({suffix for modality in among for suffix in modality.suffixes})
    # A file may be named twice, itself and by its folder.
    for file in dict.fromkeys(paths.expand(inputs, suffixes)):
        found.setdefault(paths.choose(domains, "domain", asked, file.suffix), []).append(file)
    return found


def _embed(translator: Translator, files: Sequence[Path], domain: str) -> Tensor:
    import torch

    from ...core.progress import bar

    parts = []
    with bar(f"embedding {domain}", len(files), True) as tell:
        for i in range(0, len(files), paths.SLICE):
            parts.append(translator.embed(files[i : i + paths.SLICE], domain))
            tell(min(i + paths.SLICE, len(files)))
    return torch.cat(parts)
