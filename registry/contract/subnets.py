"""The part of a modality's contract about its prenet, generator and discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...core.code import Code
from ...core.layers import layers_of, through
from ...core.modality import Modality
from ...core.signal import Signal
from .clauses import (
    CLOSE,
    check_alone,
    check_finite,
    check_gradients,
    check_same,
    clause,
    expect,
    perturb,
    weighted,
)

Made = Code | Signal | Tensor
Inputs = tuple[Signal | Code, ...]


def check_subnets(subject: str, modality: Modality, signal: Signal, width: int) -> None:
    """Check each subnet, with and without a condition, from one token and from several.

    Where a generator or discriminator tells its ``layers`` (see ``core.layers``), they are held
    against its ``forward``.

    Raises:
        PluginError: naming the clause that is broken.
    """
    b = len(signal)
    with clause(subject, "prenet makes tokens"), torch.no_grad():
        read = modality.prenet(width)(signal)
        one, many = (Code(torch.randn(b, k, width)) for k in (1, 5))
        own = Code(torch.randn(b, read.tokens.shape[1], width), placed=read.placed)
        style = Code(torch.randn(b, 1, 4))
    for pooled in (False, True):
        _check(
            f"{subject}: prenet(pooled={pooled})",
            partial(modality.prenet, width, pooled=pooled),
            [(signal,)],
        )
    codes = [(one,), (many,), (own,)]
    _check(f"{subject}: generator", partial(modality.generator, width), codes)
    _check(
        f"{subject}: generator with a condition",
        partial(modality.generator, width, condition=4),
        [(code, style) for (code,) in codes],
    )
    _check(f"{subject}: discriminator", modality.discriminator, [(signal,)])
    _check(
        f"{subject}: discriminator with a condition",
        partial(modality.discriminator, condition=4),
        [(signal, style)],
    )
    with clause(subject, "generator: layers"):
        _layers(modality.generator(width), one)
    with clause(subject, "discriminator: layers"):
        _layers(modality.discriminator(), signal)
    with clause(subject, "subnets: shapes"):
        _shapes(modality, signal, width, one, many, own)
    with clause(subject, "subnets: padding has no influence"):
        _padding(modality, signal, width, many)
    with clause(subject, "reconstruction"):
        _reconstruction(modality, signal, own)


def _check(subject: str, make: Callable[[], nn.Module], calls: Sequence[Inputs]) -> None:
    """What holds for every subnet, whatever it maps.

    All the calls together must reach every parameter: a generator may have some that serve
    codes of one length only.
    """
    with clause(subject, "a new module every time"):
        net, other = make(), make()
        shared = {id(p) for p in net.parameters()} & {id(p) for p in other.parameters()}
        expect(not shared, "modules with parameters of their own", f"{len(shared)} shared")
    with clause(subject, "gradients reach every parameter"):
        perturb(net)
        net.train()
        calls = [tuple(_leaf(given) for given in inputs) for inputs in calls]
        for inputs in calls:
            weighted(_values(net(*inputs))).backward()
        check_gradients(dict(net.named_parameters()))
        for values in (_values(given) for inputs in calls for given in inputs):
            if values.requires_grad:
                check_gradients({f"its input {list(values.shape)}": values})
    net.eval()
    for inputs in calls:
        _check_eval(subject, net, inputs)
    with clause(subject, "bf16 autocast"):
        net.zero_grad()
        for inputs in calls:
            with torch.autocast("cpu", torch.bfloat16):
                rounded = _values(net(*inputs))
                check_finite(rounded, "an output")
            weighted(rounded).backward()
        check_gradients(dict(net.named_parameters()))
    with clause(subject, "save and load"), torch.no_grad():
        made = _values(net(*calls[0]))
        _reload(net, other)
        check_same(made, _values(other.eval()(*calls[0])), "the output of the module saved", CLOSE)


def _check_eval(subject: str, net: nn.Module, inputs: Inputs) -> None:
    with clause(subject, "the same output twice in eval mode"), torch.no_grad():
        made = _values(net(*inputs))
        check_finite(made, "an output")
        torch.manual_seed(1)
        check_same(made, _values(net(*inputs)), "the same output from the same input")
    with clause(subject, "outputs do not depend on the batch"), torch.no_grad():
        alone = _values(net(*(_first(given) for given in inputs)))
        check_alone(made[:1, ...], alone, "the output of an item alone")


def _reload(net: nn.Module, other: nn.Module) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file({key: value.clone() for key, value in net.state_dict().items()}, path)
        other.load_state_dict(load_file(path))


def _values(made: Made) -> Tensor:
    if isinstance(made, Code):
        return made.tokens
    if isinstance(made, Signal):
        return made.values
    expect(isinstance(made, Tensor), "a Code, Signal or Tensor", type(made).__name__)
    return made


def _leaf(given: Signal | Code) -> Signal | Code:
    """The same input, asking for its gradient where it can have one."""
    if isinstance(given, Code):
        return replace(given, tokens=given.tokens.clone().requires_grad_())
    if not given.values.is_floating_point():
        return given
    return Signal(given.values.clone().requires_grad_(), given.lengths)


def _first(given: Signal | Code) -> Signal | Code:
    if isinstance(given, Code):
        mask = None if given.mask is None else given.mask[:1]
        return replace(given, tokens=given.tokens[:1], mask=mask)
    return given[:1]


def _layers(net: nn.Module, given: Signal | Code) -> None:
    """What a subnet tells of its layers, if it does: they make what it makes, with its weights."""
    if not hasattr(net, "layers"):
        return
    layers = layers_of(net)
    alien = [type(layer).__name__ for layer in layers if not isinstance(layer, nn.Module)]
    expect(bool(layers) and not alien, "layers: modules", alien or "none")
    perturb(net)
    net.eval()
    made = _values(net(given))
    last = through(layers[:-1], given)
    folded = _values(layers[-1](last))
    check_same(
        made.detach(),
        folded.detach(),
        "its layers, one after another, to make what it makes",
        CLOSE,
    )
    inside = {id(p) for layer in layers for p in layer.parameters()}
    outside = inside - {id(p) for p in net.parameters()}
    expect(not outside, "layers of its own weights", f"{len(outside)} of others")
    weighted(made).backward()
    reached = {name: id(p) for name, p in net.named_parameters() if p.grad is not None}
    left = [name for name, key in reached.items() if key not in inside]
    expect(not left, "its layers to hold what a pass reaches", f"none with {', '.join(left)}")
    if isinstance(given, Signal):
        plain = isinstance(last, Tensor) and last.ndim == 2 and len(last) == len(given)
        found = list(last.shape) if isinstance(last, Tensor) else type(last).__name__
        expect(plain, "features [b d] before its last layer", found)


def _shapes(modality: Modality, signal: Signal, width: int, *codes: Code) -> None:
    b = len(signal)
    for pooled in (False, True):
        code = modality.prenet(width, pooled=pooled)(signal)
        expect(isinstance(code, Code), "a Code from prenet", type(code).__name__)
        found = list(code.tokens.shape)
        wanted = [b, 1 if pooled else found[1], width]
        expect(found == wanted, f"tokens {wanted} from prenet(pooled={pooled})", found)
        if code.mask is not None:
            expect(code.mask.dtype == torch.bool, "a mask of booleans", code.mask.dtype)
            expect(bool(code.mask.any(1).all()), "a real token in every item", "items of padding")
    for given in codes:
        made = modality.generator(width)(given)
        expect(isinstance(made, Signal), "a Signal from generator", type(made).__name__)
        expect(len(made) == b, f"{b} items from generator", len(made))
        _alike(made, signal)
        logits = modality.discriminator()(made)
        expect(list(logits.shape) == [b], f"logits [{b}]", list(logits.shape))


def _alike(made: Signal, real: Signal) -> None:
    """A made signal of numbers has the axes of a real one; its length may differ."""
    if not real.values.is_floating_point():
        return
    axis = 1 if real.lengths is None else 2
    found, wanted = list(made.values.shape), list(real.values.shape)
    expect(
        len(found) == len(wanted) and found[axis:] == wanted[axis:],
        f"made values like real ones {wanted}",
        found,
    )


def _padding(modality: Modality, signal: Signal, width: int, code: Code) -> None:
    mask = torch.ones(code.tokens.shape[:2], dtype=torch.bool)
    mask[:, 3:] = False
    spoilt = torch.where(mask[..., None], code.tokens, code.tokens + 9)
    generator = modality.generator(width).eval()
    with torch.no_grad():
        made, again = (generator(replace(code, tokens=x, mask=mask)) for x in (code.tokens, spoilt))
        check_same(made.values, again.values, "padding tokens ignored by generator", CLOSE)
        if signal.lengths is None or not signal.values.is_floating_point():
            return
        values = signal.values.clone()
        values[~signal.mask()] += 9
        for pooled in (False, True):
            prenet = modality.prenet(width, pooled=pooled).eval()
            first, second = prenet(signal), prenet(Signal(values, signal.lengths))
            real = torch.ones_like(first.tokens[..., 0]) if first.mask is None else first.mask
            a, b = first.tokens * real[..., None], second.tokens * real[..., None]
            check_same(a, b, f"padding ignored by prenet(pooled={pooled})", CLOSE)
        judge = modality.discriminator().eval()
        logits = judge(Signal(values, signal.lengths))
        check_same(judge(signal), logits, "padding ignored by discriminator", CLOSE)


def _reconstruction(modality: Modality, signal: Signal, code: Code) -> None:
    generator = modality.generator(code.tokens.shape[2])
    perturb(generator)
    # a generator that only scales has nothing to learn, yet passes gradients on
    loss = modality.reconstruction(generator(_leaf(code)), signal)
    expect(list(loss.shape) == [len(signal)], f"one number an item [{len(signal)}]", loss.shape)
    check_finite(loss, "a loss")
    loss.sum().backward()
    check_gradients(dict(generator.named_parameters()))
    if signal.values.is_floating_point():
        itself = float(modality.reconstruction(signal, signal).mean().detach())
        expect(
            itself < float(loss.mean().detach()),
            "a smaller loss for the real signal itself",
            f"{itself:g} against {float(loss.mean().detach()):g}",
        )
