"""The contract of a bridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...core.bridge import Bridge, Needs
from ...core.code import Code
from ...core.errors import UnknownNameError, UnsupportedError
from ...core.modality import Modality
from ...core.signal import Signal
from ...core.stage import Phase, Stage
from ...core.table import Table
from .clauses import (
    CLOSE,
    Broken,
    check_alone,
    check_finite,
    check_gradients,
    check_same,
    check_settings,
    clause,
    expect,
    perturb,
    refuses,
)

NOWHERE = "no-such-domain"
SEARCHED = 2e-2  # a bridge that encodes by a search makes more of a rounding step by step


def check_bridge(
    bridge: Bridge, domains: Mapping[str, Modality], table: Table, *, items: int = 3
) -> None:
    """Check everything the kernel and the translator rely on, before any training.

    Args:
        bridge: yours, not connected yet; it stays so, twins made from its settings are tried.
        domains: at least two.
        table: a column of at least ``items`` items for each, with labels and pairs where the
            bridge needs them.
        items: how many items to translate.

    Raises:
        PluginError: naming the clause that is broken, what was expected and what was found.
    """
    subject = f"bridge {getattr(bridge, 'name', type(bridge).__name__)!r}"
    with clause(subject, "facts and settings"):
        check_settings(bridge, bridge.name)
        expect(isinstance(bridge.needs, Needs), "needs: Needs", type(bridge.needs).__name__)
    with clause(subject, "connect"):
        twin, other = (_connected(bridge, domains, table, seed) for seed in (1, 2))
        again = _connected(bridge, domains, table, 1)
        for key, value in twin.state_dict().items():
            check_same(value, again.state_dict()[key], f"the same {key} from the same seed")
    signals = {name: table.column(name).take(torch.arange(items)) for name in domains}
    with clause(subject, "encode and decode"):
        made = _translations(twin, signals)
    with clause(subject, "bf16 autocast"), torch.autocast("cpu", torch.bfloat16):
        for values in _translations(twin, signals).values():
            check_finite(values, "a translation")
    with clause(subject, "translations do not depend on the batch"):
        alone = _translations(twin, {name: signal[:1] for name, signal in signals.items()})
        for pair, values in made.items():
            limit = SEARCHED if twin.searches else CLOSE
            check_alone(values[:1], alone[pair], f"{pair} of an item alone", limit)
        _alone(twin, signals)
    with clause(subject, "embed"):
        _embeddings(twin, signals)
    with clause(subject, "unknown domains"):
        first = next(iter(_ways(twin, signals)))
        signal = signals[first]
        refuses(lambda: twin.encode(signal, NOWHERE), UnknownNameError, "encode")
        code = twin.encode(signal, first)
        refuses(lambda: twin.decode(code, NOWHERE), UnknownNameError, "decode")
    with clause(subject, "sample and style"):
        _abilities(twin, signals)
    with clause(subject, "save and load"):
        other.load_state_dict({key: value.clone() for key, value in twin.state_dict().items()})
        for pair, values in _translations(other, signals).items():
            check_same(values, made[pair], f"{pair} of the bridge saved", CLOSE)
    with clause(subject, "stages"):
        _stages(twin, domains)
    with clause(subject, "objectives"):
        _objectives(twin, table)


def _connected(bridge: Bridge, domains: Mapping[str, Modality], table: Table, seed: int) -> Bridge:
    twin = type(bridge)(**bridge.settings())
    torch.manual_seed(seed)
    twin.connect(domains, len(table.classes))
    return twin.eval()


def _ways(bridge: Bridge, signals: Mapping[str, Signal]) -> dict[str, list[str]]:
    """Source -> its targets, of the bridge's directions."""
    found: dict[str, list[str]] = {}
    for source, target in bridge.directions():
        known = source in signals and target in signals
        expect(known, f"directions between {list(signals)}", (source, target))
        found.setdefault(source, []).append(target)
    expect(bool(found), "directions, one at least", [])
    return found


@torch.no_grad()
def _translations(bridge: Bridge, signals: Mapping[str, Signal]) -> dict[str, Tensor]:
    """``source->target`` for every direction, shapes checked on the way."""
    bridge.eval()
    made: dict[str, Tensor] = {}
    widths: dict[str, int] = {}
    for source, targets in _ways(bridge, signals).items():
        signal = signals[source]
        code = bridge.encode(signal, source)
        expect(isinstance(code, Code), f"a Code from encode({source!r})", type(code).__name__)
        expect(len(code) == len(signal), f"{len(signal)} codes of {source!r}", len(code))
        widths[source] = code.tokens.shape[2]
        for target in targets:
            real = signals[target]
            there = bridge.decode(code, target)
            pair = f"{source}->{target}"
            expect(isinstance(there, Signal), f"a Signal from {pair}", type(there).__name__)
            expect(len(there) == len(signal), f"{len(signal)} items from {pair}", len(there))
            axis = 1 if real.lengths is None else 2
            if real.values.is_floating_point():
                found, wanted = list(there.values.shape), list(real.values.shape)
                expect(
                    len(found) == len(wanted) and found[axis:] == wanted[axis:],
                    f"{pair} like real items {wanted}",
                    found,
                )
            check_finite(there.values, pair)
            made[pair] = there.values
    expect(len(set(widths.values())) == 1, "one common space, codes of one width", widths)
    return made


@torch.no_grad()
def _alone(bridge: Bridge, signals: Mapping[str, Signal]) -> None:
    """One code decoded alone is what it is in company; here no search blurs the comparison."""
    for source, targets in _ways(bridge, signals).items():
        code = bridge.encode(signals[source], source)
        mask = None if code.mask is None else code.mask[:1]
        first = replace(code, tokens=code.tokens[:1], mask=mask)
        for target in targets:
            company, alone = bridge.decode(code, target), bridge.decode(first, target)
            check_alone(company.values[:1], alone.values, f"{source}->{target} alone")


@torch.no_grad()
def _embeddings(bridge: Bridge, signals: Mapping[str, Signal]) -> None:
    shapes: dict[str, list[int]] = {}
    for name in _ways(bridge, signals):
        vectors = bridge.embed(signals[name], name)
        check_finite(vectors, "an embedding")
        shapes[name] = list(vectors.shape)
    right = all(len(s) == 2 and s[0] == len(signals[name]) for name, s in shapes.items())
    right = right and len({s[-1] for s in shapes.values()}) == 1
    expect(right, "vectors [b d] of one width d", shapes)


@torch.no_grad()
def _abilities(bridge: Bridge, signals: Mapping[str, Signal]) -> None:
    """Each ability is there and right, or refused by ``UnsupportedError``."""
    names = list(signals)
    with suppress(UnsupportedError):
        _prior(bridge, signals)
    try:
        drawn = bridge.sample(2, names)
    except UnsupportedError:
        pass
    else:
        found = {name: len(signal) for name, signal in drawn.items()}
        expect(found == dict.fromkeys(names, 2), f"2 samples of each of {names}", found)
    for source, targets in _ways(bridge, signals).items():
        for target in targets:
            if not bridge.in_style(target):
                continue
            code = bridge.encode(signals[source], source)
            styles = [bridge.style(signals[target], target)]
            with suppress(UnsupportedError):
                styles.append(bridge.style_sample(1))
            for style in styles:
                made = bridge.decode(code, target, style)
                expect(len(made) == len(code), f"{len(code)} items made in a style", len(made))


def _prior(bridge: Bridge, signals: Mapping[str, Signal]) -> None:
    torch.manual_seed(0)
    code = bridge.prior(2)
    expect(isinstance(code, Code), "a Code from prior", type(code).__name__)
    ways = _ways(bridge, signals)
    first = next(iter(ways))
    signal = signals[first]
    wanted = [2, bridge.encode(signal[:1], first).tokens.shape[2]]
    found = [len(code), code.tokens.shape[2]]
    expect(found == wanted, f"2 codes as wide as encode's from prior, {wanted}", found)
    check_finite(code.tokens, "a draw of the prior")
    torch.manual_seed(0)
    check_same(bridge.prior(2).tokens, code.tokens, "the same draws of the prior from a seed")
    for name in {target for targets in ways.values() for target in targets}:
        made = bridge.decode(code, name)
        expect(len(made) == 2, f"2 items of {name!r} decoded from the prior", len(made))


def _stages(bridge: Bridge, domains: Mapping[str, Modality]) -> None:
    stages = bridge.stages()
    names = [stage.name for stage in stages]
    expect(bool(names) and len(set(names)) == len(names), "stages of distinct names", names)
    for stage in stages:
        for draw in stage.draws:
            strange = set(draw.domains) - set(domains)
            expect(not strange, f"draws of {list(domains)} in {stage.name!r}", sorted(strange))
    claimed = {
        id(parameter)
        for stage in stages
        for phase in stage.phases
        for module in phase.learns
        for parameter in module.parameters()
    }
    free = [
        name
        for name, parameter in bridge.named_parameters()
        if parameter.requires_grad and id(parameter) not in claimed
    ]
    expect(not free, "every parameter claimed by some phase", f"unclaimed {', '.join(free)}")


def _objectives(bridge: Bridge, table: Table) -> None:
    """Play every phase once: terms are finite scalars, and what learns gets gradients."""
    perturb(bridge)
    stages = bridge.stages()
    for stage in stages:
        generator = torch.Generator().manual_seed(0)
        prepared = stage.prepare(table, generator) if stage.prepare else table
        batch = next(prepared.feed(stage.draws, seed=0))
        for phase in stage.phases:
            where = f"{stage.name}/{phase.name}"
            _hold_still(bridge, phase)
            terms = _terms(phase, phase.terms(stage.given(batch, 1), True), where)
            loss = torch.stack([term.float() for term in terms.values()]).sum()
            loss.backward()
            with torch.autocast("cpu", torch.bfloat16):
                _terms(phase, phase.terms(stage.given(batch, 1), True), f"{where} under bf16")
    _reached(bridge, stages)


def _hold_still(bridge: Bridge, phase: Phase) -> None:
    bridge.eval().requires_grad_(False)
    for module in phase.learns:
        module.train().requires_grad_(True)


def _terms(phase: Phase, terms: Mapping[str, Tensor], where: str) -> Mapping[str, Tensor]:
    if not terms:
        raise Broken(f"expected terms from {where}, found none")
    for name, term in terms.items():
        expect(term.ndim == 0, f"a scalar {where}/{name}", list(term.shape))
        check_finite(term.detach(), f"{where}/{name}")
    return terms


def _reached(bridge: Bridge, stages: Sequence[Stage]) -> None:
    learners = [m for stage in stages for phase in stage.phases for m in phase.learns]
    names = {id(p): name for name, p in bridge.named_parameters()}
    check_gradients({names[id(p)]: p for p in nn.ModuleList(learners).parameters()})
